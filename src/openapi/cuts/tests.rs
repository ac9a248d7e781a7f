use super::*;
use crate::{config::Config, policy::Grants};

/// Rights that allow nothing: their cut is as small as one can be.
fn none() -> Rights {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("c.toml");
    let text = "[tenants.a]\nclient_id = \"a\"\nclient_secret = { env = \"S\" }\n[policies.p]\nallow = [\"ListUsers\"]\n\
                [callers.c]\nidentify = { loopback = true }\npolicies = [\"p\"]\n";
    std::fs::write(&path, text).unwrap();
    let request = crate::config::LoadRequest {
        paths: vec![path],
        search: Vec::new(),
        env: crate::config::Environment::new(),
        rule_check: &crate::policy::CatalogCheck,
        references: crate::config::References::MayBeAbsent,
    };
    let config: Config = crate::config::load(&request).unwrap().config;
    Grants::new(&config).unwrap().rights(crate::ids::CallerIndex(0))
}

#[tokio::test]
async fn a_cut_is_made_once_for_all_who_ask() {
    let (cuts, thread, rights) = (Cuts::new(1 << 20), Thread::default(), none());
    let asked = (0..50).map(|_| cuts.cut(&thread, 0, Source::Catalog, || rights.clone()));
    let made = futures_util::future::join_all(asked).await;
    let first = made[0].as_ref().unwrap();
    assert!(made.iter().all(|cut| Arc::ptr_eq(cut.as_ref().unwrap(), first)));
    let again = cuts.cut(&thread, 0, Source::Catalog, || panic!("it is there")).await.unwrap();
    assert!(Arc::ptr_eq(&again, first));
    let other = cuts.cut(&thread, 1, Source::Catalog, || rights.clone()).await.unwrap();
    assert!(!Arc::ptr_eq(&other, first), "other callers have another one");
}

#[tokio::test]
async fn what_was_asked_for_least_lately_makes_room() {
    let (thread, rights) = (Thread::default(), none());
    let size = Cuts::new(1 << 20).cut(&thread, 0, Source::Catalog, || rights.clone()).await.unwrap().len();
    let cuts = Cuts::new(2 * size + size / 2);
    let mut firsts = Vec::new();
    for class in [0, 1] {
        firsts.push(cuts.cut(&thread, class, Source::Catalog, || rights.clone()).await.unwrap());
    }
    cuts.cut(&thread, 0, Source::Catalog, || panic!("it is there")).await.unwrap();
    cuts.cut(&thread, 2, Source::Catalog, || rights.clone()).await.unwrap();
    let kept = cuts.cut(&thread, 0, Source::Catalog, || rights.clone()).await.unwrap();
    assert!(Arc::ptr_eq(&kept, &firsts[0]), "it was asked for after the other");
    let anew = cuts.cut(&thread, 1, Source::Catalog, || rights.clone()).await.unwrap();
    assert!(!Arc::ptr_eq(&anew, &firsts[1]));
    assert!(cuts.kept().bytes() <= 2 * size + size / 2);
    // What has no room at all is answered all the same.
    let tiny = Cuts::new(10);
    assert_eq!(tiny.cut(&thread, 0, Source::Catalog, || rights.clone()).await.unwrap().len(), size);
    assert_eq!(tiny.kept().cuts.len(), 0);
}

#[tokio::test]
async fn whoever_waits_for_what_is_not_made_is_told_so() {
    let (cuts, thread) = (Cuts::new(1 << 20), Thread::default());
    let Found::Nothing(making) = cuts.find((7, None)) else { panic!("it is new") };
    let Found::Making(mut made) = cuts.find((7, None)) else { panic!("it is being made") };
    drop(making);
    assert!(made.wait_for(Option::is_some).await.is_err());
    assert!(matches!(cuts.find((7, None)), Found::Nothing(_)), "the next one makes it anew");
    let ((go, wait), (begun, begins)) = (std::sync::mpsc::channel::<()>(), std::sync::mpsc::channel::<()>());
    thread
        .run(move || {
            begun.send(()).unwrap();
            wait.recv().unwrap();
        })
        .unwrap();
    begins.recv().unwrap();
    while thread.run(|| {}).is_ok() {}
    let rights = none();
    let busy = cuts.cut(&thread, 8, Source::Catalog, || rights.clone()).await;
    assert_eq!(busy.unwrap_err(), CutError::Busy);
    assert!(!cuts.kept().cuts.iter().any(|entry| entry.key.0 == 8), "it leaves no trace");
    go.send(()).unwrap();
}
