//! Reading a condition: the part of CEL's grammar that always comes to an end.
//!
//! Comprehensions, maps, byte strings and fractions are left out. What is read here means the same
//! in CEL: `tests/policy` compares it with another implementation.

use super::Wrong;

/// Longest condition, in bytes, and deepest nesting in it: the parser calls itself.
pub(super) const MAX_LENGTH: usize = 4096;
const MAX_DEPTH: usize = 48;

/// A part of a condition, and where it begins, in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) at: usize,
    pub(super) part: Part,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part {
    Truth(bool),
    Number(i64),
    Text(String),
    List(Vec<Node>),
    Name(String),
    /// `operand.name`.
    Select(Box<Node>, String),
    /// `function(arguments)`, or `target.function(arguments)` with the target in front.
    Call {
        function: String,
        method: bool,
        arguments: Vec<Node>,
    },
    Prefix(&'static str, Box<Node>),
    Infix(&'static str, Box<Node>, Box<Node>),
    /// `condition ? one : other`.
    Choice(Box<[Node; 3]>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Number(String),
    Text(String),
    Name(String),
    Sign(&'static str),
    End,
}

/// The longer ones first.
const SIGNS: [&str; 23] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "-", "+", "*", "?", ":", "(", ")", "[", "]",
    ",", ".", "/", "%", "{",
];

/// Binary operators from the loosest to the tightest.
const LEVELS: [&[&str]; 5] = [
    &["||"],
    &["&&"],
    &["==", "!=", "<=", ">=", "<", ">", "in"],
    &["+", "-"],
    &["*", "/", "%"],
];

/// Reads a whole condition.
pub(super) fn parse(text: &str) -> Result<Node, Wrong> {
    if text.len() > MAX_LENGTH {
        let words = format!("a condition has at most {MAX_LENGTH} bytes: make it several rules");
        return Err(Wrong::new(0, words));
    }
    let tokens = tokens(text)?;
    let mut parser = Parser {
        tokens,
        next: 0,
        depth: 0,
    };
    let node = parser.choice()?;
    let next = parser.peek();
    if *next == Token::End {
        return Ok(node);
    }
    Err(parser.wrong(format!("{} is not expected here", shown(next))))
}

fn shown(token: &Token) -> String {
    match token {
        Token::Number(text) | Token::Name(text) => format!("{text:?}"),
        Token::Text(text) => format!("the text {text:?}"),
        Token::Sign(sign) => format!("{sign:?}"),
        Token::End => "the end".to_owned(),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Wrong> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let (token, length) = if letter.is_ascii_whitespace() {
            at += 1;
            continue;
        } else if letter == '"' || letter == '\'' {
            quoted(rest, letter).map_err(|(offset, words)| Wrong::new(at + offset, words))?
        } else if letter.is_ascii_digit() {
            let length = rest
                .find(|one: char| !one.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            (Token::Number(rest[..length].to_owned()), length)
        } else if letter.is_ascii_alphabetic() || letter == '_' {
            let in_name = |one: char| one.is_ascii_alphanumeric() || one == '_';
            let length = rest.find(|one| !in_name(one)).unwrap_or(rest.len());
            let name = &rest[..length];
            let token = match name {
                "in" => Token::Sign("in"),
                _ => Token::Name(name.to_owned()),
            };
            (token, length)
        } else if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            (Token::Sign(sign), sign.len())
        } else {
            let words = match letter {
                '=' => "compare with ==".to_owned(),
                '&' => "write && for “and”".to_owned(),
                '|' => "write || for “or”".to_owned(),
                other => format!("{other:?} has no meaning here"),
            };
            return Err(Wrong::new(at, words));
        };
        tokens.push((at, token));
        at += length;
    }
    tokens.push((text.len(), Token::End));
    Ok(tokens)
}

/// A text with its quotes, and the escapes that names and words need.
fn quoted(rest: &str, quote: char) -> Result<(Token, usize), (usize, String)> {
    let mut text = String::new();
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            _ if letter == quote => return Ok((Token::Text(text), at + 1)),
            '\\' => match letters.next() {
                Some((_, escaped @ ('\\' | '"' | '\''))) => text.push(escaped),
                _ => {
                    let words = "only \\\\, \\\" and \\' may follow a backslash".to_owned();
                    return Err((at, words));
                }
            },
            '\n' => return Err((at, "a text ends on the line where it begins".to_owned())),
            other => text.push(other),
        }
    }
    Err((0, format!("this text has no {quote} at its end")))
}

struct Parser {
    tokens: Vec<(usize, Token)>,
    next: usize,
    depth: usize,
}

impl Parser {
    /// The last token is the end, and is never passed.
    fn peek(&self) -> &Token {
        &self.tokens[self.next].1
    }

    fn at(&self) -> usize {
        self.tokens[self.next].0
    }

    fn wrong(&self, words: impl Into<String>) -> Wrong {
        Wrong::new(self.at(), words)
    }

    fn advance(&mut self) -> Token {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn take(&mut self, sign: &'static str) -> bool {
        let found = *self.peek() == Token::Sign(sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &'static str) -> Result<(), Wrong> {
        if self.take(sign) {
            return Ok(());
        }
        let found = shown(self.peek());
        Err(self.wrong(format!("{sign:?} is missing before {found}")))
    }

    fn deeper<T>(&mut self, read: impl FnOnce(&mut Self) -> Result<T, Wrong>) -> Result<T, Wrong> {
        if self.depth >= MAX_DEPTH {
            return Err(self.wrong("this is nested too deeply: make it several rules"));
        }
        self.depth += 1;
        let result = read(self);
        self.depth -= 1;
        result
    }

    fn choice(&mut self) -> Result<Node, Wrong> {
        self.deeper(|parser| {
            let condition = parser.infix(0)?;
            let at = parser.at();
            if !parser.take("?") {
                return Ok(condition);
            }
            let one = parser.infix(0)?;
            parser.expect(":")?;
            let other = parser.choice()?;
            let part = Part::Choice(Box::new([condition, one, other]));
            Ok(Node { at, part })
        })
    }

    fn infix(&mut self, level: usize) -> Result<Node, Wrong> {
        let Some(signs) = LEVELS.get(level) else {
            return self.prefix();
        };
        let mut left = self.infix(level + 1)?;
        let mut length = 0;
        while let Token::Sign(sign) = *self.peek()
            && signs.contains(&sign)
        {
            // A chain is a tree that leans to the left: it is as deep as it is long.
            length += 1;
            if length > MAX_DEPTH {
                return Err(self.wrong("this is too long: use “in”, or make it several rules"));
            }
            let at = self.at();
            self.advance();
            let right = self.infix(level + 1)?;
            let part = Part::Infix(sign, Box::new(left), Box::new(right));
            left = Node { at, part };
        }
        Ok(left)
    }

    fn prefix(&mut self) -> Result<Node, Wrong> {
        let at = self.at();
        for sign in ["!", "-"] {
            if self.take(sign) {
                let operand = self.deeper(Self::prefix)?;
                let part = match (sign, &operand.part) {
                    ("-", Part::Number(number)) => Part::Number(-number),
                    _ => Part::Prefix(sign, Box::new(operand)),
                };
                return Ok(Node { at, part });
            }
        }
        self.postfix()
    }

    fn postfix(&mut self) -> Result<Node, Wrong> {
        let mut node = self.primary()?;
        let mut length = 0;
        while self.take(".") {
            let at = self.at();
            let Token::Name(name) = self.advance() else {
                return Err(Wrong::new(at, "a name is missing after the dot"));
            };
            length += 1;
            if length > MAX_DEPTH {
                return Err(Wrong::new(at, "this chain is too long"));
            }
            node = if self.take("(") {
                let mut arguments = vec![node];
                arguments.append(&mut self.list(")")?);
                let part = Part::Call {
                    function: name,
                    method: true,
                    arguments,
                };
                Node { at, part }
            } else {
                let at = node.at;
                let part = Part::Select(Box::new(node), name);
                Node { at, part }
            };
        }
        Ok(node)
    }

    /// What stands between commas, to the closing sign.
    fn list(&mut self, end: &'static str) -> Result<Vec<Node>, Wrong> {
        let mut nodes = Vec::new();
        if self.take(end) {
            return Ok(nodes);
        }
        loop {
            nodes.push(self.choice()?);
            if !self.take(",") {
                self.expect(end)?;
                return Ok(nodes);
            }
        }
    }

    fn primary(&mut self) -> Result<Node, Wrong> {
        let at = self.at();
        let part = match self.advance() {
            Token::Number(text) => Part::Number(text.parse().map_err(|_| {
                Wrong::new(at, format!("{text:?} is not a whole number that fits"))
            })?),
            Token::Text(text) => Part::Text(text),
            Token::Name(name) => match name.as_str() {
                "true" => Part::Truth(true),
                "false" => Part::Truth(false),
                _ if self.take("(") => Part::Call {
                    function: name,
                    method: false,
                    arguments: self.list(")")?,
                },
                _ => Part::Name(name),
            },
            Token::Sign("[") => Part::List(self.list("]")?),
            Token::Sign("(") => {
                let inner = self.choice()?;
                self.expect(")")?;
                inner.part
            }
            other @ (Token::Sign(_) | Token::End) => {
                let words = format!("a value is missing before {}", shown(&other));
                return Err(Wrong::new(at, words));
            }
        };
        Ok(Node { at, part })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaint(text: &str) -> (usize, String) {
        let wrong = parse(text).unwrap_err();
        (wrong.at, wrong.words)
    }

    #[test]
    fn operators_bind_as_in_cel() {
        let same = |one: &str, other: &str| {
            fn bare(node: &Node) -> String {
                if let Part::Infix(sign, left, right) = &node.part {
                    format!("({} {sign} {})", bare(left), bare(right))
                } else if let Part::Prefix(sign, inner) = &node.part {
                    format!("({sign}{})", bare(inner))
                } else if let Part::Choice(parts) = &node.part {
                    let [condition, one, two] = &**parts;
                    format!("({} ? {} : {})", bare(condition), bare(one), bare(two))
                } else {
                    format!("{:?}", node.part)
                }
            }
            let (one, other) = (parse(one).unwrap(), parse(other).unwrap());
            assert_eq!(bare(&one), bare(&other));
        };
        same("a || b && c", "a || (b && c)");
        same("a - b - c", "(a - b) - c");
        same("a + b * c < d == e", "((a + (b * c)) < d) == e");
        same("!a && b", "(!a) && b");
        same("a ? b : c ? d : e", "a ? b : (c ? d : e)");
    }

    #[test]
    fn a_complaint_names_the_place_and_what_to_write() {
        assert_eq!(complaint("a.b = 1"), (4, "compare with ==".to_owned()));
        assert_eq!(complaint("a && ").0, 5);
        assert!(complaint("a & b").1.contains("&&"));
        assert_eq!(complaint("a == 'b").0, 5);
        assert_eq!(complaint("(a").1, "\")\" is missing before the end");
        assert!(complaint("a b").1.contains("not expected"));
        assert!(complaint("1.5 < a").1.contains("name"), "no fractions");
        assert!(complaint("99999999999999999999").1.contains("fits"));
    }

    #[test]
    fn no_condition_is_too_deep_for_the_stack() {
        for (text, many) in [
            ("(", 4000),
            ("!", 4000),
            ("-", 4000),
            ("[", 4000),
            ("a?b:", 1000),
        ] {
            assert!(complaint(&text.repeat(many)).1.contains("nested"), "{text}");
        }
        assert!(complaint(&"a||".repeat(1000)).1.contains("too long"));
        assert!(complaint(&"a.".repeat(1000)).1.contains("too long"));
        assert!(complaint(&"a".repeat(MAX_LENGTH + 1)).1.contains("4096"));
    }
}
