//! Holds `docs/proofs.md` to what it says: each program that does not compile differs in one line from the one that does,
//! so that it fails for that line and for nothing else.

const PAGE: &str = include_str!("../docs/proofs.md");

fn blocks(kind: &str) -> Vec<Vec<&str>> {
    let start = format!("```rust,{kind}\n");
    PAGE.split(&start)
        .skip(1)
        .map(|rest| rest.split("\n```").next().expect("a block has an end").lines().collect())
        .collect()
}

#[test]
fn each_program_that_does_not_compile_differs_in_one_line_from_the_one_that_does() {
    let [good] = &blocks("no_run")[..] else { panic!("there is one program that compiles") };
    let bad = blocks("compile_fail");
    assert!(bad.len() >= 12, "{} programs", bad.len());
    for bad in bad {
        let changed: Vec<_> = good.iter().zip(&bad).filter(|(good, bad)| good != bad).collect();
        assert_eq!((good.len(), changed.len()), (bad.len(), 1), "{changed:#?}");
    }
}
