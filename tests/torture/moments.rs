//! Every named moment, one after another: the program is killed there, and again, and comes right.
