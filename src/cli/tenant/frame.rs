//! What an export has around its lines, so that an import sees where some are missing: it says in its first line that a last one
//! follows, and there how many tenants there are. A file that somebody wrote by hand has neither.

const HEAD: &str = "# claviger tenant export";
const END: &str = "# end of the export: ";
const HOW: &str = "# Fill in each client_secret: a text, { \"file\": \"PATH\" } or { \"env\": \"NAME\" }. Then: claviger tenant import FILE";

/// An export of these lines.
pub(super) fn around(lines: &[String]) -> String {
    let count = crate::cli::count(lines.len(), "tenant");
    let all: String = lines.iter().map(|line| format!("{line}\n")).collect();
    format!(
        "{HEAD}: {count}. The last line says so too: an import of a file that was cut off takes nothing in.\n{HOW}\n{all}{END}{count}\n"
    )
}

/// Whether each export in a text has its end, and as many tenants as that says.
///
/// # Errors
/// What is missing, and what to do about it.
pub(super) fn is_whole(text: &str) -> Result<(), String> {
    // Since the head or the end before; and whether an end has to follow.
    let (mut found, mut is_open) = (0, false);
    for (line, text) in text.lines().map(|line| line.trim().trim_start_matches('\u{feff}')).enumerate() {
        if let Some(said) = text.strip_prefix(END) {
            let said = said.split(' ').next().and_then(|count| count.parse::<usize>().ok());
            if said != Some(found) {
                let said = said.map_or("another number".to_owned(), |said| said.to_string());
                return Err(format!(
                    "line {} says that the export ends with {said}, and there are {found} before it: lines are missing, or were \
                     added. Export anew; where you took some out or put some in, correct the number there",
                    line + 1
                ));
            }
            (found, is_open) = (0, false);
        } else if text.starts_with(HEAD) {
            if is_open {
                return Err(cut_off(found));
            }
            (found, is_open) = (0, true);
        } else if !text.is_empty() && !text.starts_with('#') {
            found += 1;
        }
    }
    if is_open { Err(cut_off(found)) } else { Ok(()) }
}

fn cut_off(found: usize) -> String {
    format!(
        "this export was cut off: it has {}, and no last line that begins with {END:?}. Export anew, or copy the file again; \
         nothing was taken in",
        crate::cli::count(found, "tenant")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn why(text: &str) -> String {
        is_whole(text).unwrap_err()
    }

    #[test]
    fn an_export_that_lacks_a_line_is_refused_and_a_file_by_hand_is_taken() {
        let lines = ["{\"alias\":\"a\"}", "{\"alias\":\"b\"}"].map(str::to_owned);
        let whole = around(&lines);
        for whole in [whole.clone(), around(&[]), whole.replace('\n', "\r\n"), format!("\u{feff}{whole}")] {
            assert_eq!(is_whole(&whole), Ok(()), "{whole}");
        }
        assert_eq!(is_whole(&whole.repeat(2)), Ok(()), "one after the other");
        for by_hand in ["", "{}\n{}\n", "# a comment\n{}\n", "[{},\n{}]"] {
            assert_eq!(is_whole(by_hand), Ok(()), "{by_hand}");
        }
        let all: Vec<_> = whole.lines().collect();
        for left in 1..all.len() {
            let cut = all[..left].join("\n");
            assert!(why(&cut).starts_with("this export was cut off"), "{cut}");
            assert!(why(&format!("{cut}\n{whole}")).starts_with("this export was cut off"), "{cut}");
        }
        // In the middle of the last line, up to where nothing is missing but its words.
        let end = whole.len() - "2 tenants\n".len();
        for bytes in whole.find('{').unwrap()..=end {
            assert!(is_whole(&whole[..bytes]).is_err(), "{}", &whole[..bytes]);
        }
        let missing = why(&whole.replace(&lines[0], ""));
        assert!(missing.contains("the export ends with 2, and there are 1 before it"), "{missing}");
    }
}
