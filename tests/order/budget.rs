//! What order may cost in a day.
