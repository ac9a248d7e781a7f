//! The embedded Logto emulator.
