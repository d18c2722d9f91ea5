//! Many runs: queue and slots.
