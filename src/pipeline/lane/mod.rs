//! Stub.
#![allow(dead_code)]
mod pace;
mod results;
mod suspects;
