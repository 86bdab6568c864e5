//! Which system calls an agent has no business with.
//!
//! The list is Docker's, turned round: what its default profile allows only to a container with privileges, and what has
//! been a way out of a sandbox before. Everything in it would be refused for want of privileges as well; that it is refused
//! here too keeps an agent away from the kernel's less travelled code.

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID,
    CLONE_NEWUSER, CLONE_NEWUTS, SOCK_RAW, c_int, c_long,
};

use super::program::When::{self, HasAny, Is, IsNone, MaskedIs};

/// The kinds of namespaces that could be asked for.
const NAMESPACES: c_int =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

/// The kind of a socket, without the flags that can be given with it.
const SOCKET_KIND: u32 = 0xf;

/// Address families that lead to nothing but the run's own network. Of netlink only the part that lists interfaces, which
/// the resolver of the C library and Node need; to change anything takes privileges.
const FAMILIES: &[u32] = &[word(AF_INET), word(AF_INET6), word(AF_UNIX), word(AF_NETLINK)];
const FAMILIES_ON_THE_MACHINE: &[u32] = &[word(AF_INET), word(AF_INET6), word(AF_NETLINK)];

/// What a program may ask to be: what it is, or one that calls the system an old version of itself.
const PERSONALITIES: &[u32] = &[0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];

/// Puts words into a terminal as if they had been typed.
const TIOCSTI: u32 = 0x5412;
/// Does so on a console.
const TIOCLINUX: u32 = 0x541c;

/// Denied whatever the arguments are.
pub(super) const DENIED: &[c_long] = &[
    // Mounts and roots.
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    // Files by handles, past the mounts.
    libc::SYS_open_by_handle_at,
    libc::SYS_name_to_handle_at,
    libc::SYS_fanotify_init,
    // Namespaces.
    libc::SYS_setns,
    // Other processes.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_move_pages,
    libc::SYS_migrate_pages,
    // Keys, which are a user's and not a namespace's.
    libc::SYS_add_key,
    libc::SYS_request_key,
    libc::SYS_keyctl,
    // The kernel itself.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_syslog,
    libc::SYS_acct,
    libc::SYS_reboot,
    libc::SYS_vhangup,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_lookup_dcookie,
    // A second way to most system calls, which no filter sees.
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
];

/// Those that only this architecture has.
#[cfg(target_arch = "x86_64")]
pub(super) const DENIED_HERE: &[c_long] = &[
    libc::SYS_kexec_file_load,
    libc::SYS_iopl,
    libc::SYS_ioperm,
    libc::SYS_modify_ldt,
    libc::SYS_uselib,
    libc::SYS_ustat,
    libc::SYS_sysfs,
    libc::SYS__sysctl,
    libc::SYS_nfsservctl,
];
#[cfg(target_arch = "aarch64")]
pub(super) const DENIED_HERE: &[c_long] = &[libc::SYS_nfsservctl];

/// Denied with such arguments: any of the lists, all in it.
pub(super) fn denied_when(own_network: bool) -> Vec<(c_long, Vec<When>)> {
    // Names without a file belong to a network: with the machine's they would lead to its daemons.
    let families = if own_network { FAMILIES } else { FAMILIES_ON_THE_MACHINE };
    vec![
        (libc::SYS_socket, vec![IsNone(0, families)]),
        (libc::SYS_socket, vec![Is(0, word(AF_INET)), MaskedIs(1, SOCKET_KIND, word(SOCK_RAW))]),
        (libc::SYS_socket, vec![Is(0, word(AF_INET6)), MaskedIs(1, SOCKET_KIND, word(SOCK_RAW))]),
        (libc::SYS_socket, vec![Is(0, word(AF_NETLINK)), IsNone(2, &[0])]),
        (libc::SYS_clone, vec![HasAny(0, word(NAMESPACES))]),
        (libc::SYS_unshare, vec![HasAny(0, word(NAMESPACES) | 0x80)]),
        (libc::SYS_ioctl, vec![Is(1, TIOCSTI)]),
        (libc::SYS_ioctl, vec![Is(1, TIOCLINUX)]),
        (libc::SYS_personality, vec![IsNone(0, PERSONALITIES)]),
    ]
}

const fn word(value: c_int) -> u32 {
    value.cast_unsigned()
}
