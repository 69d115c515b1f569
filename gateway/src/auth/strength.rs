//! Rejects passwords that are guessed first: common ones, and those derived from words, dates, keyboard rows or the
//! account's address.

use zxcvbn::{feedback::Warning, zxcvbn};

use super::{
    email::Email,
    password::{Passwords, check_new, prepare},
};
use crate::problem::{Faults, FieldCode, Problem};

/// The minimum number of guesses that a new password must take, estimated from how people choose passwords. Eight
/// random letters take as many. At the delays between attempts (see [`attempts`](super::attempts)) they last for
/// thousands of years, and with stolen hashes they take weeks of a core for one account, at 20 ms per guess.
pub const PASSWORD_GUESSES_MIN: f64 = 1e8;
/// The maximum number of characters that are estimated, from the beginning. The estimate tries every substring with every
/// replacement of letters by similar signs, so its cost grows faster than the square of the length: a hundred signs
/// would take seconds. Forty characters that are not guessed early are enough.
const ESTIMATED_CHARS_MAX: usize = 40;
/// Rounding in the estimate's logarithm.
const ROUNDING: f64 = 1e-9;

/// Why a password is too weak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPassword {
    /// Many people have this password, or a similar one.
    #[error("is too common: choose a password that is harder to guess")]
    TooCommon,
    /// It consists of few words, names, dates or adjacent keys, or is derived from the account's address.
    #[error("is too easy to guess: make it longer, or use several unrelated words")]
    TooGuessable,
}

impl WeakPassword {
    /// The code of the field error.
    fn field_code(self) -> FieldCode {
        match self {
            WeakPassword::TooCommon => FieldCode::TooCommon,
            WeakPassword::TooGuessable => FieldCode::TooGuessable,
        }
    }
}

/// Checks whether a password would be guessed early by someone who knows `about` (words related to the account). Takes
/// some milliseconds and uses the first [`ESTIMATED_CHARS_MAX`] characters.
pub fn check_strength(password: &str, about: &[String]) -> Result<(), WeakPassword> {
    let about: Vec<&str> = about.iter().map(String::as_str).collect();
    let estimated: String = prepare(password).chars().take(ESTIMATED_CHARS_MAX).collect();
    let estimate = zxcvbn(&estimated, &about);
    if estimate.guesses_log10() + ROUNDING >= PASSWORD_GUESSES_MIN.log10() {
        return Ok(());
    }
    Err(match estimate.feedback().and_then(|feedback| feedback.warning()) {
        Some(
            Warning::ThisIsATop10Password
            | Warning::ThisIsATop100Password
            | Warning::ThisIsACommonPassword
            | Warning::ThisIsSimilarToACommonlyUsedPassword,
        ) => WeakPassword::TooCommon,
        _ => WeakPassword::TooGuessable,
    })
}

/// The words related to an account that an attacker knows: its address, and the parts of it.
pub fn words_of(email: &Email) -> Vec<String> {
    let address = email.as_str();
    let words = address.split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 2);
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    [address, local].into_iter().chain(words).map(str::to_lowercase).collect()
}

impl Passwords {
    /// Adds the faults of a new password to `faults`, given the account's address, if it is known.
    pub(crate) async fn check_new(
        &self,
        password: &str,
        email: Option<&Email>,
        faults: &mut Faults,
    ) -> Result<(), Problem> {
        if let Err(why) = check_new(password) {
            faults.check("/password", false, why);
            return Ok(());
        }
        let (password, about) = (password.to_owned(), email.map(words_of).unwrap_or_default());
        if let Err(weak) = self.aside(move || check_strength(&password, &about)).await? {
            faults.add("/password", weak.field_code(), weak.to_string());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(password: &str) -> Result<(), WeakPassword> {
        check_strength(password, &words_of(&Email::new("ann.kowalska@shop-example.pl").unwrap()))
    }

    #[test]
    fn common_passwords_and_their_kin_are_refused_as_such() {
        for common in [
            "12345678",
            "password",
            "Password1",
            "Password123!",
            "P@ssw0rd!",
            "qwerty123",
            "Qwerty123!",
            "iloveyou1",
            "zaq12wsx",
            "Polska123",
            "kochanie1",
            "Summer2024!",
            "Welcome1!",
            "letmein123",
            "1q2w3e4r5t",
            "drowssap1",
        ] {
            assert_eq!(check(common), Err(WeakPassword::TooCommon), "{common}");
        }
    }

    #[test]
    fn weak_passwords_are_refused() {
        for guessable in [
            "aaaaaaaaaaaa",
            "abcabcabcabc",
            "asdfghjkl;'",
            "abcdefghijkl",
            "19850412",
            "12.04.1985",
            "Ann.Kowalska",
            "ann.kowalska@shop-example.pl",
            "kowalska1985",
            "AnnKowalska",
        ] {
            assert!(check(guessable).is_err(), "{guessable}");
        }
        assert!(check_strength("Ann.Kowalska", &[]).is_ok(), "who does not know the account has to guess longer");
    }

    #[test]
    fn long_and_random_passwords_are_accepted() {
        for good in [
            "k3x9w2mq",
            "x7Kp!2mQ",
            "correct horse",
            "correct horse battery staple",
            "zażółć gęślą jaźń",
            "Crème brûlée 京都",
            "дорога домой зимой",
            "パスワードは長いほど良い",
            "correct\u{a0}horse",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        assert!(check("k3x9w2m").is_err(), "one random letter fewer is too few");
    }

    /// The estimate of a whole long password would take seconds: see [`ESTIMATED_CHARS_MAX`].
    #[test]
    fn only_the_beginning_of_a_long_password_is_estimated() {
        let (beginning, end) = ("a".repeat(ESTIMATED_CHARS_MAX), "Xq7#vM2!kZp9");
        assert_eq!(check(end), Ok(()));
        assert_eq!(check(&format!("{beginning}{end}")), Err(WeakPassword::TooGuessable));
        assert_eq!(check(&format!("{}{end}", &beginning[end.len()..])), Ok(()), "all of its characters are estimated");
        // Every sign of the third stands for a letter, and each substitution would be tried on every substring.
        let signs = "4@8({[<369!1|0$5+7%2".repeat(12);
        for long in ["ab1!".repeat(64), signs, "password".repeat(32), "\u{1f600}".repeat(256)] {
            let _ = check(&long);
        }
    }
}
