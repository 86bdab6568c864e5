//! What ssh says when it can't, and what to do about it.

/// What ssh's words contain, and what they mean to an operator: the first that is found. A cause comes before what
/// follows from it.
const MEANINGS: [(&str, &str); 12] = [
    (
        "REMOTE HOST IDENTIFICATION HAS CHANGED",
        "the host shows another key than the one in `known_hosts`: either it was given a new one, which its operator can \
         confirm, or somebody is in between; put its key into `repositories.ssh.known_hosts` only once that is settled",
    ),
    (
        "host key is known for",
        "the host's key is not known; put the line that `ssh-keyscan HOST` prints into `repositories.ssh.known_hosts` \
         after comparing it with what the host's operator publishes",
    ),
    ("Host key verification failed", "the host's key is not the one in `repositories.ssh.known_hosts`"),
    ("error in libcrypto", "ssh can't read the key of `repositories.ssh.key`"),
    ("invalid format", "ssh can't read the key of `repositories.ssh.key`"),
    (
        "Permission denied (",
        "the host refuses the key of `repositories.ssh.key` for this user; give its public half read access there, \
         such as a deploy key",
    ),
    ("ssh: not found", "there is no ssh; install it, for instance with `apt-get install openssh-client`"),
    ("No user exists for uid", "ssh needs the server's user to have a name, that is a line in /etc/passwd"),
    ("Connection refused", "nothing answers at the host's SSH port; is the port right, and the host up?"),
    ("timed out", "the host does not answer at its SSH port; is it reachable from this machine?"),
    ("No route to host", "the host is not reachable from this machine"),
    ("is unreachable", "the host is not reachable from this machine"),
];

/// The same for every failure of ssh.
const GIT_SAYS: [&str; 4] =
    ["Cloning into", "fatal: Could not read from remote repository", "Please make sure", "and the repository exists"];

/// The line that says what is wrong, or what it means; `None` where ssh is not to blame.
pub(in super::super) fn complaint(text: &str) -> Option<String> {
    if !text.contains(GIT_SAYS[1]) {
        return None;
    }
    if let Some((_, meaning)) = MEANINGS.iter().find(|(words, _)| text.contains(words)) {
        return Some((*meaning).to_owned());
    }
    let is_news = |line: &&str| !line.is_empty() && !GIT_SAYS.iter().any(|start| line.starts_with(start));
    let said = text.split(['\n', '\r']).map(str::trim).rfind(is_news);
    said.map(|line| line.chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: &str = "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the repository exists.\n";

    #[test]
    fn what_ssh_says_is_said_in_words_that_help() {
        for (said, helps) in [
            (
                "No ED25519 host key is known for h and you have requested strict checking.\r\nHost key verification failed.\r\n",
                "ssh-keyscan",
            ),
            (
                "@ WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED! @\nHost key verification failed.\n",
                "somebody is in between",
            ),
            ("git@h: Permission denied (publickey).\r\n", "deploy key"),
            ("/x/ssh: 4: ssh: not found\n", "openssh-client"),
            ("ssh: connect to host 192.0.2.1 port 22: Connection refused\r\n", "SSH port"),
            ("ssh: connect to host 192.0.2.1 port 22: No route to host\r\n", "not reachable"),
            ("ERROR: Repository not found.\n", "ERROR: Repository not found."),
        ] {
            let told = complaint(&format!("Cloning into 'w'...\n{said}{END}")).expect("ssh is to blame");
            assert!(told.contains(helps), "{said}: {told}");
        }
        assert_eq!(complaint("fatal: Remote branch x not found in upstream origin\n"), None);
        assert_eq!(complaint(END), None);
    }
}
