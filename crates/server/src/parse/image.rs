//! Names of container images, by the grammar of the distribution specification. What fits it can't be taken for an option, a
//! mount or a second argument by whatever it is handed to.

/// As long as registries take them.
const LONGEST: usize = 255;

/// The name of an image, such as `ghcr.io/acme/agents:1.2`; else what is wrong with it.
pub fn image(text: &str) -> Result<String, String> {
    let problem = if text.is_empty() {
        "is empty"
    } else if text.starts_with('-') {
        "begins with `-`, which would make it an option"
    } else if text.contains(|one: char| one.is_whitespace() || one.is_control()) {
        "holds a space or control character; write one image and nothing else"
    } else if text.contains("://") {
        "has a scheme; write the registry's host alone, such as `ghcr.io/acme/agents:1.2`"
    } else if text.len() > LONGEST || !is_reference(text) {
        "is no name of an image; write one such as `debian:12`, `ghcr.io/acme/agents:1.2` or `agents@sha256:…`"
    } else {
        return Ok(text.to_owned());
    };
    Err(problem.to_owned())
}

/// What images may be used: an image, or all of a folder of a registry as `ghcr.io/acme/*`.
pub fn image_pattern(text: &str) -> Result<String, String> {
    match text.strip_suffix("/*") {
        Some(folder) if is_reference(folder) && !is_tagged(folder) => Ok(text.to_owned()),
        Some(_) => Err("has no folder of a registry before `/*`; write one such as `ghcr.io/acme/*`".to_owned()),
        None => image(text),
    }
}

/// Whether an image is among those that a pattern stands for.
pub fn image_fits(pattern: &str, image: &str) -> bool {
    let folder = pattern.strip_suffix('*').filter(|folder| folder.ends_with('/'));
    folder.map_or(pattern == image, |folder| image.starts_with(folder))
}

fn is_reference(text: &str) -> bool {
    let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
    let (name, tag) = match named.rsplit_once(':') {
        // A colon before a slash is that of a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (named, None),
    };
    is_name(name) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest)
}

fn is_tagged(text: &str) -> bool {
    text.contains('@') || text.rsplit('/').next().is_some_and(|last| text.contains('/') && last.contains(':'))
}

fn is_name(name: &str) -> bool {
    match name.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => is_host(host) && is_path(path),
        _ => is_path(name),
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
    let is_label = |label: &str| {
        let plain = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        !label.is_empty() && plain && !label.starts_with('-') && !label.ends_with('-')
    };
    host.split('.').all(is_label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_path(path: &str) -> bool {
    path.split('/').all(|part| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
        let ends = |end: Option<char>| end.is_some_and(|end| end.is_ascii_lowercase() || end.is_ascii_digit());
        let separated = !part.contains("..") && !part.contains("___") && !part.contains("._") && !part.contains("_.");
        part.bytes().all(inner) && ends(part.chars().next()) && ends(part.chars().last()) && separated
    })
}

fn is_tag(tag: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let first = tag.bytes().next().is_some_and(is_word);
    first && tag.len() <= 128 && tag.bytes().all(|byte| is_word(byte) || b".-".contains(&byte))
}

fn is_digest(digest: &str) -> bool {
    let lengths = [("sha256", 64), ("sha512", 128)];
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    lengths.contains(&(algorithm, hex.len())) && hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_named_as_registries_name_them() {
        let digest = format!("debian@sha256:{}", "0a".repeat(32));
        let right = [
            "debian",
            "debian:12",
            "library/debian:12-slim",
            "ghcr.io/acme/agents:1.2",
            "localhost:5000/a/b",
            "localhost/a",
            "my__image-x.y",
            digest.as_str(),
        ];
        for text in right {
            assert_eq!(image(text).as_deref(), Ok(text));
        }
        let wrong = [
            "",
            "-v",
            "--privileged",
            "debian --privileged",
            "debian\n--privileged",
            "debian\t",
            " debian",
            "Debian",
            "https://ghcr.io/acme/agents",
            "/etc",
            "../etc",
            "a//b",
            "a/",
            "/:/host",
            "debian:",
            "debian:-x",
            "debian:a b",
            "debian@sha256:abc",
            "debian@md5:abc",
            "debian@",
            "a:1/b:2:3",
            "host.example:99999/a",
            "host.example:/a",
            "$(id)",
            "a;b",
            "a,b",
            "a\0b",
            "äpfel",
        ];
        for text in wrong {
            assert!(image(text).is_err(), "{text:?}");
        }
        assert!(image(&"a".repeat(256)).is_err());
    }

    #[test]
    fn a_pattern_is_an_image_or_a_folder() {
        for text in ["debian:12", "ghcr.io/acme/*", "acme/*", "localhost:5000/*"] {
            assert_eq!(image_pattern(text).as_deref(), Ok(text));
        }
        for text in ["*", "/*", "ghcr.io/*/agents", "ghcr.io/acme*", "ghcr.io/acme/agents:1/*", "-x/*"] {
            assert!(image_pattern(text).is_err(), "{text}");
        }
        for (pattern, image, expected) in [
            ("debian:12", "debian:12", true),
            ("debian:12", "debian:12-slim", false),
            ("debian", "debian:12", false),
            ("ghcr.io/acme/*", "ghcr.io/acme/agents:1", true),
            ("ghcr.io/acme/*", "ghcr.io/acme/deep/agents", true),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/agents", false),
        ] {
            assert_eq!(image_fits(pattern, image), expected, "{pattern} {image}");
        }
    }
}
