//! Holds the emulator against what was measured on Logto 1.42: a table of facts, the faults, and, where the folder is
//! present, every recorded exchange that is a single request.

#[path = "emulator_facts/fact.rs"]
mod fact;
#[path = "emulator_facts/faults.rs"]
mod faults;
#[path = "emulator_facts/table.rs"]
mod table;
#[path = "emulator_facts/transcripts.rs"]
mod transcripts;
#[path = "emulator_facts/wire.rs"]
mod wire;
#[path = "emulator_facts/world.rs"]
mod world;
