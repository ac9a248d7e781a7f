//! Reads a recorded exchange: the curl line as a request, then the answer.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::wire::{self, Answer, Request};
use crate::world::HOST;

/// Why a recording is not compared.
pub(crate) struct Skip(pub(crate) String);

/// One request and the answer that Logto gave.
pub(crate) struct Exchange {
    pub(crate) request: Request,
    pub(crate) recorded: Answer,
}

impl Exchange {
    pub(crate) fn parse(name: &str, text: &str) -> Result<Self, Skip> {
        let lines: Vec<&str> = text.split('\n').collect();
        let start = lines.iter().position(|line| line.starts_with("$ curl -sS -i "));
        let Some(start) = start else { return Err(Skip("not a recorded curl request".to_owned())) };
        if lines.iter().filter(|line| line.starts_with("$ ")).count() > 1 {
            return Err(Skip("more than one request".to_owned()));
        }
        let request = request(&words(&lines[start][2..]))?;
        let recorded = answer(&lines[start + 1..])
            .ok_or_else(|| Skip(format!("no complete answer recorded ({name})")))?;
        Ok(Self { request, recorded })
    }
}

/// Splits as a shell does; only the backslash quotes here.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut chars = line.chars();
    // `<15000 a>` stands for that many letters, and `<path>` for a file.
    while let Some(char) = chars.next() {
        match (char, words.last_mut()) {
            ('\\', Some(word)) => word.extend(chars.next()),
            ('<', Some(word)) => {
                let inside: String = chars.by_ref().take_while(|char| *char != '>').collect();
                match inside.strip_suffix(" a").and_then(|count| count.parse().ok()) {
                    Some(count) => word.push_str(&"a".repeat(count)),
                    None => word.push_str(&format!("<{inside}>")),
                }
            }
            (' ', _) => words.push(String::new()),
            (char, Some(word)) => word.push(char),
            (_, None) => {}
        }
    }
    words
}

fn request(words: &[String]) -> Result<Request, Skip> {
    let mut request = Request::new("", "");
    let mut form: Vec<String> = Vec::new();
    let mut host = None;
    let mut no_type = false;
    let mut words = words.iter().skip(3);
    while let Some(word) = words.next() {
        let mut value = || words.next().cloned().unwrap_or_default();
        match word.as_str() {
            "-X" => request.method = value(),
            "-I" => request.method = "HEAD".to_owned(),
            "-m" => drop(value()),
            "--path-as-is" => {}
            "-r" => request = request.header("Range", &format!("bytes={}", value())),
            "-u" => request = request.header("basic", &value()),
            "-d" | "--data-binary" => form.push(value()),
            "--data-urlencode" => {
                let pair = value();
                let (key, value) = pair.split_once('=').unwrap_or((&pair, ""));
                let encoded: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                form.push(format!("{key}={encoded}"));
            }
            "-F" => {
                let part =
                    "--b\r\nContent-Disposition: form-data; name=\"x\"; filename=\"x\"\r\n\r\nx\r\n--b--\r\n";
                if value().starts_with("x=") {
                    return Err(Skip("multipart bodies are not read here".to_owned()));
                }
                request = request.body("multipart/form-data; boundary=b", part);
            }
            "-H" => {
                let header = value();
                let (name, value) = header.split_once(':').unwrap_or((&header, ""));
                match (name, value.trim_start()) {
                    ("Host", value) => host = Some(value.to_owned()),
                    ("Content-Type", "") => no_type = true,
                    (name, value) => request = request.header(name, value),
                }
            }
            url if url.starts_with("http://") => {
                let rest = url.strip_prefix("http://").unwrap_or_default();
                let at = rest.find('/').unwrap_or(rest.len());
                host.get_or_insert(rest[..at].to_owned());
                request.target = if at == rest.len() { "/".to_owned() } else { rest[at..].to_owned() };
            }
            other => return Err(Skip(format!("curl option {other}"))),
        }
    }
    if !form.is_empty() {
        request.body = form.join("&").into_bytes();
        if !no_type && !request.has("content-type") {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
        }
    }
    if request.method.is_empty() {
        request.method = if request.body.is_empty() { "GET" } else { "POST" }.to_owned();
    }
    request.headers.insert(0, ("Host".to_owned(), host.unwrap_or_else(|| HOST.to_owned())));
    if !request.has("user-agent") {
        request = request.header("User-Agent", "curl/7.88.1");
    }
    Ok(request)
}

/// Writes `<15000 a>` out.
fn expand(line: &str) -> String {
    let Some((before, rest)) = line.split_once('<').filter(|(_, rest)| rest.contains(" a>")) else {
        return line.to_owned();
    };
    let (inside, after) = rest.split_once(" a>").unwrap_or((rest, ""));
    match inside.rsplit_once('<').map_or(inside, |(_, count)| count).parse() {
        Ok(count) => {
            let begin = inside.rsplit_once('<').map_or(String::new(), |(url, _)| format!("<{url}"));
            format!("{before}{begin}{}{after}", "a".repeat(count))
        }
        Err(_) => line.to_owned(),
    }
}

fn answer(lines: &[&str]) -> Option<Answer> {
    let mut lines = lines;
    loop {
        let end = lines.iter().position(|line| line.trim_end().is_empty())?;
        let head: Vec<String> = lines[..end].iter().map(|line| expand(line)).collect();
        let mut answer = wire::head(head.join("\n").as_bytes())?;
        lines = &lines[end + 1..];
        if answer.status < 200 {
            continue;
        }
        let body = lines.iter().take_while(|line| !line.starts_with("# ")).copied().collect::<Vec<_>>();
        answer.body = body.join("\n").trim_end().as_bytes().to_vec();
        return Some(answer);
    }
}

/// The value of an `Authorization: Basic` header.
pub(crate) fn basic(pair: &str) -> String {
    format!("Basic {}", STANDARD.encode(pair))
}

/// Makes the bodies that were read from files, of the sizes that the names tell.
pub(crate) fn fill_body(name: &str, request: &mut Request) {
    let k = |name: &str| {
        let digits: String = name.chars().filter(char::is_ascii_digit).collect();
        digits.parse::<usize>().unwrap_or_default() * 1024
    };
    let padded = |begin: &str, end: &str| {
        let fill = "a".repeat(k(name).saturating_sub(begin.len() + end.len()));
        format!("{begin}{fill}{end}").into_bytes()
    };
    if name.starts_with("body_json_") {
        request.body = padded("{\"customData\":{\"x\":\"", "\"}}");
    } else if name.starts_with("body_form_") {
        request.body = padded("name=", "");
    } else if name.starts_with("token_body_") {
        let begin =
            "grant_type=client_credentials&resource=https%3A%2F%2Fdefault.logto.app%2Fapi&scope=all&x=";
        request.body = padded(begin, "");
    }
}
