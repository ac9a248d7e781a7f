//! The fuzz targets over their corpora and over every prefix of them, on machines without a fuzzer.
#![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

#[path = "../fuzz/entry.rs"]
mod entry;

use std::{fs, path::Path};

fn replay(target: &str, entry: fn(&[u8])) {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for seed in fs::read_dir(&corpus).unwrap() {
        let data = fs::read(seed.unwrap().path()).unwrap();
        for end in 0..=data.len() {
            entry(&data[..end]);
        }
        count += 1;
    }
    assert!(count >= 5, "{count} files in {}", corpus.display());
}

#[test]
fn path() {
    replay("path", entry::path);
}

#[test]
fn config() {
    replay("config", entry::config);
}

#[test]
fn token_answer() {
    replay("token_answer", entry::token_answer);
}

#[test]
fn redact() {
    replay("redact", entry::redact);
}

#[test]
fn gunzip() {
    replay("gunzip", entry::gunzip);
}
