//! The filter of system calls that an agent in a sandbox has on it, from its first instruction and for ever.

mod program;
mod rules;

use program::{Answer, Program};

/// The filter, as the kernel takes it.
pub(super) fn filter(own_network: bool) -> Vec<u8> {
    program(own_network).finish()
}

fn program(own_network: bool) -> Program {
    let mut program = Program::new();
    for call in rules::DENIED.iter().chain(rules::DENIED_HERE) {
        program.deny(*call, Answer::NotPermitted);
    }
    // Its flags are in memory, where no filter sees them. The C library takes `clone` instead.
    program.deny(libc::SYS_clone3, Answer::NoSuchCall);
    for (call, conditions) in rules::denied_when(own_network) {
        program.deny_when(call, &conditions);
    }
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the filter as the kernel would.
    fn verdict(own_network: bool, call: libc::c_long, arguments: [u64; 3]) -> u32 {
        let mut seen = vec![0; 64];
        seen[..4].copy_from_slice(&u32::try_from(call).expect("a number").to_ne_bytes());
        let architecture: u32 = if cfg!(target_arch = "x86_64") { 0xc000_003e } else { 0xc000_00b7 };
        seen[4..8].copy_from_slice(&architecture.to_ne_bytes());
        for (index, argument) in arguments.iter().enumerate() {
            seen[16 + 8 * index..24 + 8 * index].copy_from_slice(&argument.to_ne_bytes());
        }
        run(own_network, &seen)
    }

    fn run(own_network: bool, seen: &[u8]) -> u32 {
        let program = program(own_network);
        let instructions = program.instructions();
        let (mut at, mut held) = (0, 0);
        while let Some(instruction) = instructions.get(at) {
            let value = instruction.value;
            let jumps = match u32::from(instruction.code) {
                0x20 => {
                    let from = value as usize;
                    held = u32::from_ne_bytes(seen[from..from + 4].try_into().expect("four bytes"));
                    0
                }
                0x54 => {
                    held &= value;
                    0
                }
                0x06 => return value,
                code => {
                    let holds = match code {
                        0x15 => held == value,
                        0x35 => held >= value,
                        0x45 => held & value != 0,
                        other => panic!("{other:#x}"),
                    };
                    usize::from(if holds { instruction.if_true } else { instruction.if_false })
                }
            };
            at += 1 + jumps;
        }
        libc::SECCOMP_RET_ALLOW
    }

    fn denied(error: libc::c_int) -> u32 {
        libc::SECCOMP_RET_ERRNO | error.unsigned_abs()
    }

    const ALLOWED: u32 = libc::SECCOMP_RET_ALLOW;

    #[test]
    fn what_programs_live_on_is_allowed() {
        let thread = (libc::CLONE_VM | libc::CLONE_THREAD | libc::CLONE_SIGHAND).unsigned_abs().into();
        for (call, arguments) in [
            (libc::SYS_read, [0, 0, 0]),
            (libc::SYS_execve, [1, 2, 3]),
            (libc::SYS_clone, [thread, 0, 0]),
            (libc::SYS_clone, [17, 0, 0]),
            (libc::SYS_socket, [2, 1 | 0o2_000_000, 0]),
            (libc::SYS_socket, [10, 2, 17]),
            (libc::SYS_socket, [16, 3 | 0o2_000_000, 0]),
            (libc::SYS_socketpair, [1, 1, 0]),
            (libc::SYS_ioctl, [0, 0x5401, 0]),
            (libc::SYS_personality, [0xffff_ffff, 0, 0]),
        ] {
            for own_network in [true, false] {
                assert_eq!(verdict(own_network, call, arguments), ALLOWED, "{call} {arguments:?}");
            }
        }
    }

    #[test]
    fn ways_out_are_denied() {
        let user = u64::from(libc::CLONE_NEWUSER.unsigned_abs());
        for (call, arguments) in [
            (libc::SYS_mount, [0, 0, 0]),
            (libc::SYS_io_uring_setup, [0, 0, 0]),
            (libc::SYS_clone, [user | 17, 0, 0]),
            (libc::SYS_unshare, [user, 0, 0]),
            (libc::SYS_unshare, [0x80, 0, 0]),
            (libc::SYS_socket, [40, 1, 0]),
            (libc::SYS_socket, [17, 3, 0]),
            (libc::SYS_socket, [2, 3, 1]),
            (libc::SYS_socket, [2, 3 | 0o2_000_000, 1]),
            (libc::SYS_socket, [10, 3, 58]),
            (libc::SYS_socket, [16, 3, 9]),
            // The upper half of an argument is nothing to the kernel, so it hides nothing.
            (libc::SYS_socket, [2 | 1 << 32, 3 | 1 << 32, 1]),
            (libc::SYS_ioctl, [0, 0x5412 | 1 << 32, 0]),
            (libc::SYS_personality, [0x4_0000, 0, 0]),
        ] {
            for own_network in [true, false] {
                assert_eq!(verdict(own_network, call, arguments), denied(libc::EPERM), "{call} {arguments:?}");
            }
        }
        assert_eq!(verdict(true, libc::SYS_clone3, [0; 3]), denied(libc::ENOSYS));
    }

    #[test]
    fn names_without_files_are_denied_where_they_would_be_the_machines() {
        assert_eq!(verdict(true, libc::SYS_socket, [1, 1, 0]), ALLOWED);
        assert_eq!(verdict(false, libc::SYS_socket, [1, 1, 0]), denied(libc::EPERM));
    }

    #[test]
    fn another_architectures_numbers_are_deadly() {
        assert_eq!(run(true, &[0; 64]), libc::SECCOMP_RET_KILL_PROCESS);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_second_set_of_numbers_is_not_there() {
        assert_eq!(verdict(true, 0x4000_0000 | libc::SYS_mount, [0; 3]), denied(libc::ENOSYS));
    }
}
