//! One-time codes with which an operator enrols waypoints.

/// A code that nobody used within this time is void.
pub const DEFAULT_LIFE_SECONDS: u64 = 24 * 60 * 60;
/// 160 bits: not to be guessed, so a plain hash of it may be stored.
const CODE_BYTES: usize = 20;

/// A fresh code, in groups that can be read aloud.
///
/// # Errors
/// The system gives no entropy.
pub fn new_code() -> Result<String, getrandom::Error> {
    let mut bytes = [0u8; CODE_BYTES];
    getrandom::fill(&mut bytes)?;
    let groups: Vec<String> = bytes
        .chunks(4)
        .map(|group| group.iter().map(|byte| format!("{byte:02x}")).collect())
        .collect();
    Ok(groups.join("-"))
}

/// What the store keeps of a code. Case, spaces and hyphens don't matter.
pub(crate) fn hash(code: &str) -> [u8; 32] {
    let plain: String = code
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    let mut hasher = blake3::Hasher::new();
    hasher
        .update(b"runnel enrolment code\0")
        .update(plain.as_bytes());
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_the_same_however_it_is_typed_and_never_given_twice() {
        let code = new_code().unwrap();
        assert_eq!(hash(&code), hash(&code.to_uppercase().replace('-', " ")));
        assert_ne!(hash(&code), hash(&new_code().unwrap()));
        assert_eq!(code.len(), 44);
    }
}
