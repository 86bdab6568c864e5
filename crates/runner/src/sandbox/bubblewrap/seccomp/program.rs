//! Writes a filter of system calls in the language of the kernel, classic BPF.
//!
//! What is not denied is allowed. Each rule stands for itself and jumps no further than its own end, so rules can be put
//! one after the other and read one by one.

use libc::{BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JGE, BPF_JMP, BPF_JSET, BPF_K, BPF_LD, BPF_RET, BPF_W};

/// Where the number of the system call is, in what the kernel shows to a filter; then its architecture.
const NUMBER: u32 = 0;
const ARCHITECTURE: u32 = 4;

/// Where its arguments are, each of eight bytes. The lower four come first, and are all that the arguments here have.
const ARGUMENTS: u32 = 16;

const ALLOW: u32 = libc::SECCOMP_RET_ALLOW;
const KILL: u32 = libc::SECCOMP_RET_KILL_PROCESS;

#[cfg(target_arch = "x86_64")]
const THIS_ARCHITECTURE: u32 = 0xc000_003e;
#[cfg(target_arch = "aarch64")]
const THIS_ARCHITECTURE: u32 = 0xc000_00b7;

/// Numbers from here on are those of x32, a second set for the same calls.
const X32: u32 = 0x4000_0000;

/// A program that is being written.
#[derive(Debug)]
pub(super) struct Program(Vec<Instruction>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Instruction {
    pub(super) code: u16,
    pub(super) if_true: u8,
    pub(super) if_false: u8,
    pub(super) value: u32,
}

/// What the caller of a denied call is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    /// That it may not.
    NotPermitted,
    /// That there is no such call, so that it takes an older one.
    NoSuchCall,
}

/// What an argument has to be for a rule to hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum When {
    /// Argument, value.
    Is(u32, u32),
    /// Argument, mask, value.
    MaskedIs(u32, u32, u32),
    /// Argument, bits.
    HasAny(u32, u32),
    /// Argument, values.
    IsNone(u32, &'static [u32]),
}

impl Program {
    /// Kills what calls by another architecture's numbers, which would mean something else here.
    pub(super) fn new() -> Self {
        let mut program = Self(Vec::new());
        program.load(ARCHITECTURE);
        program.jump(BPF_JEQ, THIS_ARCHITECTURE, 1, 0);
        program.answer(KILL);
        program.load(NUMBER);
        if cfg!(target_arch = "x86_64") {
            program.jump(BPF_JGE, X32, 0, 1);
            program.answer(Answer::NoSuchCall.value());
        }
        program
    }

    /// Denies a call.
    pub(super) fn deny(&mut self, call: libc::c_long, answer: Answer) {
        self.jump(BPF_JEQ, number(call), 0, 1);
        self.answer(answer.value());
    }

    /// Denies a call whose arguments are all so.
    pub(super) fn deny_when(&mut self, call: libc::c_long, conditions: &[When]) {
        let mut rule = Self(Vec::new());
        for (index, condition) in conditions.iter().enumerate() {
            let mut rest = Self(Vec::new());
            conditions.iter().skip(index + 1).for_each(|condition| rest.test(*condition, 0));
            // Over the tests that are left, and the answer.
            let to_end = rest.0.len() + 1;
            rule.test(*condition, u8::try_from(to_end).unwrap_or(u8::MAX));
        }
        rule.answer(Answer::NotPermitted.value());
        // Behind each rule the number is there again for the next.
        self.jump(BPF_JEQ, number(call), 0, u8::try_from(rule.0.len() + 1).unwrap_or(u8::MAX));
        self.0.append(&mut rule.0);
        self.load(NUMBER);
    }

    /// Goes on where the condition holds, and over `otherwise` instructions where not.
    fn test(&mut self, condition: When, otherwise: u8) {
        match condition {
            When::Is(argument, value) => {
                self.load(ARGUMENTS + 8 * argument);
                self.jump(BPF_JEQ, value, 0, otherwise);
            }
            When::MaskedIs(argument, mask, value) => {
                self.load(ARGUMENTS + 8 * argument);
                self.push(BPF_ALU | BPF_AND | BPF_K, 0, 0, mask);
                self.jump(BPF_JEQ, value, 0, otherwise);
            }
            When::HasAny(argument, bits) => {
                self.load(ARGUMENTS + 8 * argument);
                self.jump(BPF_JSET, bits, 0, otherwise);
            }
            When::IsNone(argument, values) => {
                self.load(ARGUMENTS + 8 * argument);
                for (index, value) in values.iter().enumerate() {
                    let left = u8::try_from(values.len() - index - 1).unwrap_or(u8::MAX);
                    self.jump(BPF_JEQ, *value, left.saturating_add(otherwise), 0);
                }
            }
        }
    }

    /// Allows everything else; the program as the kernel takes it.
    pub(super) fn finish(mut self) -> Vec<u8> {
        self.answer(ALLOW);
        self.0.iter().flat_map(Instruction::bytes).collect()
    }

    fn load(&mut self, offset: u32) {
        self.push(BPF_LD | BPF_W | BPF_ABS, 0, 0, offset);
    }

    fn jump(&mut self, test: u32, value: u32, if_true: u8, if_false: u8) {
        self.push(BPF_JMP | test | BPF_K, if_true, if_false, value);
    }

    fn answer(&mut self, value: u32) {
        self.push(BPF_RET | BPF_K, 0, 0, value);
    }

    fn push(&mut self, code: u32, if_true: u8, if_false: u8, value: u32) {
        // No code has more than 16 bits.
        let code = u16::try_from(code).unwrap_or(u16::MAX);
        self.0.push(Instruction { code, if_true, if_false, value });
    }

    #[cfg(test)]
    pub(super) fn instructions(&self) -> &[Instruction] {
        &self.0
    }
}

impl Instruction {
    fn bytes(&self) -> [u8; 8] {
        let Self { code, if_true, if_false, value } = *self;
        let ([a, b], [c, d, e, f]) = (code.to_ne_bytes(), value.to_ne_bytes());
        [a, b, if_true, if_false, c, d, e, f]
    }
}

impl Answer {
    fn value(self) -> u32 {
        let error = match self {
            Self::NotPermitted => libc::EPERM,
            Self::NoSuchCall => libc::ENOSYS,
        };
        libc::SECCOMP_RET_ERRNO | error.unsigned_abs()
    }
}

/// No system call has a number of more than 32 bits.
fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap_or(u32::MAX)
}
