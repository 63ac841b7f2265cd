//! Black-box tests: the real binary against the simulated ClearML and Slack. Each test declares a world, lets things
//! happen in it, and says what must have arrived; the world fails on anything extra and on anything Slack had to object to.

mod clearml_faults;
mod everyday;
mod slack_faults;
mod world;
