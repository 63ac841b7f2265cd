//! Whether a file outlives the container it is in, told by what is mounted where.

use std::path::Path;

/// Whether a file's disk lasts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lasting {
    /// As far as can be told it does.
    Yes,
    /// It goes with the container, or with the next boot: a file system of this kind.
    No(String),
}

/// Whether what is kept at `path` lasts; `mounts` is Linux's `/proc/self/mountinfo`, where there is one.
pub fn lasting(path: &Path, mounts: &str) -> Lasting {
    let mounted = mounts.lines().filter_map(mount);
    let nearest = mounted.filter(|(place, _)| path.starts_with(place)).max_by_key(|(place, _)| place.len());
    match nearest {
        Some((_, kind @ ("overlay" | "aufs" | "tmpfs" | "ramfs"))) => Lasting::No(kind.to_owned()),
        _ => Lasting::Yes,
    }
}

/// Mount point and file system of a line: `36 35 98:0 / /mnt rw shared:1 - ext4 /dev/sda1 rw`.
fn mount(line: &str) -> Option<(String, &str)> {
    let (mounted, file_system) = line.split_once(" - ")?;
    let place = mounted.split(' ').nth(4)?.replace("\\040", " ");
    Some((place, file_system.split(' ').next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 0:20 / / rw,relatime - overlay overlay rw,lowerdir=/a
23 22 0:21 / /dev/shm rw - tmpfs shm rw
24 22 8:1 /srv/state /state rw,relatime - ext4 /dev/sda1 rw
25 22 8:1 /x /with\\040blank rw - ext4 /dev/sda1 rw
";

    #[test]
    fn a_volume_lasts_and_the_containers_own_disk_does_not() {
        let kind = |path: &str| lasting(Path::new(path), MOUNTS);
        assert_eq!(kind("/root/.local/state/x.db"), Lasting::No("overlay".to_owned()));
        assert_eq!(kind("/dev/shm/x.db"), Lasting::No("tmpfs".to_owned()));
        assert_eq!(kind("/state/x.db"), Lasting::Yes);
        assert_eq!(kind("/with blank/x.db"), Lasting::Yes);
        assert_eq!(kind("/stateless/x.db"), Lasting::No("overlay".to_owned()));
        assert_eq!(lasting(Path::new("/x"), ""), Lasting::Yes);
    }
}
