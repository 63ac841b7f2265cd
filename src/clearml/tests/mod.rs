//! Tests of the room as a whole: recorded answers, the pager against a model of a moving server, and the client against
//! a scripted one.

mod client;
mod network;
mod pager;
mod recorded;
mod scripted;
