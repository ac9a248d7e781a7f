//! What the system lets the process have: memory, by its control group, and open files. Read once, at the start. What
//! follows from it is decided in `listen/budget.rs`.

use std::{io::Read as _, path::Path};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::regular_file;

/// Where control groups are, in each version of them, and the file that limits the memory of one.
const V2: (&str, &str) = ("/sys/fs/cgroup", "memory.max");
const V1: (&str, &str) = ("/sys/fs/cgroup/memory", "memory.limit_in_bytes");
/// Version 1 has no word for "no limit", but a number that no machine reaches.
const UNLIMITED: u64 = 1 << 60;
/// A path in a list of control groups, or a number, is shorter.
const MOST: u64 = 64 * 1024;

/// The memory that the process may fill: what its control groups allow, less a quarter for what the kernel charges to them
/// as well (sockets, page tables, files). `None` where there is no limit.
pub(super) fn memory() -> Option<u64> {
    let groups = read("/proc/self/cgroup".as_ref())?;
    let limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        match rest.split_once(':')? {
            ("", group) => least(V2, group),
            (controllers, group) if controllers.split(',').any(|one| one == "memory") => least(V1, group),
            _ => None,
        }
    });
    limits.min().map(|limit| limit / 4 * 3)
}

/// The least limit of a group and those that it is in. In a container the file system may begin with the container's own
/// group, under whatever name it has outside.
fn least((root, file): (&str, &str), group: &str) -> Option<u64> {
    let root = Path::new(root);
    let group = root.join(group.trim_start_matches('/'));
    let groups = group.ancestors().take_while(|group| group.starts_with(root));
    groups.filter_map(|group| limit(&read(&group.join(file))?)).min()
}

fn limit(text: &str) -> Option<u64> {
    text.trim().parse().ok().filter(|limit| *limit < UNLIMITED)
}

fn read(path: &Path) -> Option<String> {
    let (file, _) = regular_file::open(path).ok()?;
    let mut text = String::new();
    file.take(MOST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// Ten thousand tenants take a third of a second to read, which requests on the same core should not wait for. Linux takes
/// the nice value of a thread (setpriority(2)).
pub(super) fn yield_to_requests() {
    // Where it is refused, a reload is only less polite.
    let _: rustix::io::Result<()> = rustix::process::setpriority_process(None, 10);
}

/// Raises the limit of open files as far as that needs nobody's leave, and says what it is then; `None`: there is none.
pub(super) fn descriptors() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return current;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_on_the_way_up_counts_and_no_limit_is_none() {
        let root = tempfile::tempdir().unwrap();
        let pod = root.path().join("pods/one");
        std::fs::create_dir_all(&pod).unwrap();
        let at = |group: &str| least((root.path().to_str().unwrap(), "memory.max"), group);
        assert_eq!(at("/pods/one"), None);
        std::fs::write(pod.join("memory.max"), "max\n").unwrap();
        assert_eq!(at("/pods/one"), None);
        std::fs::write(root.path().join("pods/memory.max"), "67108864\n").unwrap();
        assert_eq!(at("/pods/one"), Some(64 << 20));
        std::fs::write(pod.join("memory.max"), "33554432\n").unwrap();
        assert_eq!(at("/pods/one"), Some(32 << 20));
        assert_eq!((at("/elsewhere"), at("/")), (None, None), "the container's own group is the root");
        std::fs::write(root.path().join("memory.max"), "50331648\n").unwrap();
        assert_eq!(at("/elsewhere"), Some(48 << 20));
        assert_eq!(limit("9223372036854771712"), None);
    }

    #[test]
    fn as_many_descriptors_as_nobody_has_to_be_asked_for() {
        assert_eq!(descriptors(), getrlimit(Resource::Nofile).maximum);
    }
}
