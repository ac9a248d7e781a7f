//! Claviger: the key-bearer in front of the Logto Management API.
pub mod emulator;
