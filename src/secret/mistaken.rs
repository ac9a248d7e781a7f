//! What stands where the name of a secret's place is wanted, and may be the secret itself: no message may repeat it.

/// Whether this may be a secret and no path or name: long with digits among letters, or with what hardly any path has in it.
pub fn may_be_secret(text: &str) -> bool {
    text.contains(['!', '"', '#', '&', '\'', '*', ';', '<', '=', '>', '?', '\\', '^', '`', '|'])
        || looks_random(text)
}

/// Whether a word of this may be a secret, and no name: long with digits among letters.
pub fn looks_random(text: &str) -> bool {
    let is_random = |word: &str| {
        let has = |is: fn(&u8) -> bool| word.bytes().any(|byte| is(&byte));
        let digits = word.bytes().filter(u8::is_ascii_digit).count();
        word.len() >= 20
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+".contains(&byte))
            && match (has(u8::is_ascii_lowercase), has(u8::is_ascii_uppercase)) {
                (true, true) => digits > 0,
                (false, false) => false,
                _ => digits >= 5,
            }
    };
    // What is around it in a reference, a header or base64.
    let around = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    text.split_whitespace().map(|word| word.trim_matches(around)).any(is_random)
}

/// Whether this may be repeated as the name of a variable.
pub fn names_variable(text: &str) -> bool {
    let is_usual = text.contains('_') && !text.contains(|c: char| c.is_ascii_lowercase());
    text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        && text.starts_with(|first: char| !first.is_ascii_digit())
        && (is_usual || !may_be_secret(text))
}

/// What to say where `option` wants `wanted`.
pub fn mistaken(option: &str, wanted: &str) -> String {
    format!("{option} names {wanted}; this looks like the secret itself, and is not repeated here")
}

#[cfg(test)]
mod tests {
    use super::{looks_random, may_be_secret, names_variable};

    #[test]
    fn a_secret_is_told_from_a_name() {
        for secret in [
            "Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A",
            "cvk_clients_0123456789abcdefghijklmnopqrst",
            "3f0c7d52-1f0e-4b7e-9c53-0d5e5c1b8a11",
            "9f86d081884c7d659a2feaa0c55ad015",
            "q3vL9/Tz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A=",
            "Claviger-Key: Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd",
        ] {
            assert!(may_be_secret(secret) && !names_variable(secret), "{secret}");
        }
        let secret = "Xq3vL9pTz7Rk2Wm8Yc4Nb6Jd1Hf5Gs0A";
        for around in [format!("{secret}="), format!("${{{secret}}}"), format!("<{secret}>")] {
            assert!(looks_random(&around), "{around}");
        }
        for name in [
            "LOGTO_M2M_APP_SECRET",
            "logto_m2m_app_secret_v2",
            "S",
            "CLAVIGER_TENANTS__DEFAULT__CLIENT_SECRET",
        ] {
            assert!(!may_be_secret(name) && names_variable(name), "{name}");
        }
        assert!(names_variable("LOGTO_SECRET_OF_TENANT_20241"));
        for path in [
            "vault",
            "/nix/store/3b1k2Zq9v0w8x7y6a5b4c3d2e1f0g9h8/bin/vault",
            "secrets/acme-2024",
            "./a b (2)",
        ] {
            assert!(!may_be_secret(path), "{path}");
        }
    }
}
