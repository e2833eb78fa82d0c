//! From a condition as it is written to one whose names exist and whose types fit.

use std::collections::BTreeSet;

use super::Wrong;
use super::expression::{Comparison, Expression, Search, Sum};
use super::schema::Attribute;
use super::syntax::{Node, Part, parse};
use super::value::{Kind, Value};

/// Reads a condition or score of this type.
pub(super) fn compile(text: &str, kind: Kind) -> Result<Expression, Wrong> {
    let node = parse(text)?;
    let expression = typed(&node)?;
    demand(&node, &expression, kind)?;
    Ok(expression)
}

fn demand(node: &Node, expression: &Expression, kind: Kind) -> Result<(), Wrong> {
    let found = expression.kind();
    if found == kind {
        return Ok(());
    }
    Err(Wrong::new(
        node.at,
        format!("{kind} is needed here, this is {found}"),
    ))
}

fn of_kind(node: &Node, kind: Kind) -> Result<Expression, Wrong> {
    let expression = typed(node)?;
    demand(node, &expression, kind)?;
    Ok(expression)
}

fn pair(one: &Node, other: &Node, kind: Kind) -> Result<Box<[Expression; 2]>, Wrong> {
    Ok(Box::new([of_kind(one, kind)?, of_kind(other, kind)?]))
}

fn typed(node: &Node) -> Result<Expression, Wrong> {
    match &node.part {
        Part::Truth(_) | Part::Number(_) | Part::Text(_) => literal(node).map(Expression::Literal),
        Part::List(_) => Err(Wrong::new(
            node.at,
            "a list stands only after “in”, as in viewer.country in [\"DE\", \"AT\"]",
        )),
        Part::Name(name) => Err(Wrong::new(
            node.at,
            format!("{name:?} alone says nothing: write an attribute, like viewer.country"),
        )),
        Part::Select(..) => attribute(node).map(Expression::Attribute),
        Part::Call {
            function,
            method,
            arguments,
        } => call(node, function, *method, arguments),
        Part::Prefix("!", part) => Ok(Expression::Not(Box::new(of_kind(part, Kind::Truth)?))),
        Part::Prefix(_, part) => Ok(Expression::Negative(Box::new(of_kind(part, Kind::Number)?))),
        Part::Infix(sign, one, other) => infix(node, sign, one, other),
        Part::Choice(parts) => {
            let [condition, one, other] = &**parts;
            let first = typed(one)?;
            let second = of_kind(other, first.kind())?;
            let condition = of_kind(condition, Kind::Truth)?;
            Ok(Expression::Choice(Box::new([condition, first, second])))
        }
    }
}

fn literal(node: &Node) -> Result<Value, Wrong> {
    match &node.part {
        Part::Truth(truth) => Ok(Value::Truth(*truth)),
        Part::Number(number) => Ok(Value::Number(*number)),
        Part::Text(text) => Ok(Value::text(text)),
        Part::List(_)
        | Part::Name(_)
        | Part::Select(..)
        | Part::Call { .. }
        | Part::Prefix(..)
        | Part::Infix(..)
        | Part::Choice(_) => Err(Wrong::new(
            node.at,
            "a list holds texts and numbers, no attributes: compare with == instead",
        )),
    }
}

fn attribute(node: &Node) -> Result<Attribute, Wrong> {
    if let Part::Select(operand, name) = &node.part
        && let Part::Name(thing) = &operand.part
    {
        return Attribute::find(thing, name).map_err(|words| Wrong::new(operand.at, words));
    }
    Err(Wrong::new(
        node.at,
        "an attribute is needed here, like viewer.country",
    ))
}

fn call(
    node: &Node,
    function: &str,
    method: bool,
    arguments: &[Node],
) -> Result<Expression, Wrong> {
    let search = match function {
        "startsWith" => Some(Search::Start),
        "endsWith" => Some(Search::End),
        "contains" => Some(Search::Anywhere),
        _ => None,
    };
    match (search, method, arguments) {
        (Some(search), true, [text, part]) => {
            Ok(Expression::Search(search, pair(text, part, Kind::Text)?))
        }
        (None, false, [one]) if function == "has" => attribute(one).map(Expression::Known),
        _ => Err(Wrong::new(
            node.at,
            format!(
                "{function:?} cannot be called like this: there are has(viewer.age), and \
                 startsWith, endsWith and contains as in viewer.network.startsWith(\"a\")"
            ),
        )),
    }
}

fn infix(node: &Node, sign: &str, one: &Node, other: &Node) -> Result<Expression, Wrong> {
    let sum = |sum| Ok(Expression::Sum(sum, pair(one, other, Kind::Number)?));
    let compare = |comparison| compare(node, comparison, one, other);
    match sign {
        "&&" => Ok(Expression::And(pair(one, other, Kind::Truth)?)),
        "||" => Ok(Expression::Or(pair(one, other, Kind::Truth)?)),
        "+" => sum(Sum::Plus),
        "-" => sum(Sum::Minus),
        "*" => sum(Sum::Times),
        "==" => compare(Comparison::Equal),
        "!=" => compare(Comparison::Unequal),
        "<" => compare(Comparison::Less),
        "<=" => compare(Comparison::AtMost),
        ">" => compare(Comparison::More),
        ">=" => compare(Comparison::AtLeast),
        "in" => one_of(one, other),
        _ => Err(Wrong::new(
            node.at,
            format!("{sign:?} is not offered: a division may have no result"),
        )),
    }
}

fn compare(
    node: &Node,
    comparison: Comparison,
    one: &Node,
    other: &Node,
) -> Result<Expression, Wrong> {
    let first = typed(one)?;
    let second = of_kind(other, first.kind())?;
    let ordered = matches!(first.kind(), Kind::Number | Kind::Text);
    let equality = matches!(comparison, Comparison::Equal | Comparison::Unequal);
    if first.kind() == Kind::Texts || !(ordered || equality) {
        let kind = first.kind();
        let words = format!("{kind} cannot be compared like this: only numbers and texts can");
        return Err(Wrong::new(node.at, words));
    }
    Ok(Expression::Compare(comparison, Box::new([first, second])))
}

fn one_of(one: &Node, other: &Node) -> Result<Expression, Wrong> {
    let Part::List(nodes) = &other.part else {
        let [text, texts] = [of_kind(one, Kind::Text)?, of_kind(other, Kind::Texts)?];
        return Ok(Expression::In(Box::new([text, texts])));
    };
    let part = typed(one)?;
    let mut literals = BTreeSet::new();
    for node in nodes {
        let value = literal(node)?;
        demand(node, &Expression::Literal(value.clone()), part.kind())?;
        literals.insert(value);
    }
    Ok(Expression::OneOf(Box::new(part), literals))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_place_and_a_way_out() {
        for (text, at, word) in [
            ("viewer.county == \"DE\"", 0, "country"),
            (
                "true && veiwer.age < 18",
                8,
                "viewer, peer, link, content, time",
            ),
            ("viewer.age < \"18\"", 13, "a number is needed"),
            ("viewer.country == 5", 18, "text is needed"),
            ("viewer.age", 0, "true or false is needed"),
            ("viewer.age / 2 > 5", 11, "no result"),
            ("viewer.groups == viewer.groups", 14, "compared"),
            ("\"a\" in viewer.country", 7, "a list of texts"),
            ("viewer.age in [1, \"a\"]", 18, "number"),
            ("viewer.country in [peer.country]", 19, "=="),
            ("has(5)", 4, "attribute"),
            ("viewer.network.matches(\"a\")", 15, "startsWith"),
            ("country == \"DE\"", 0, "viewer.country"),
            ("viewer.age.x == 1", 0, "attribute"),
            ("viewer.age < 18 ? 1 : 2", 16, "true or false is needed"),
        ] {
            let wrong = compile(text, Kind::Truth).unwrap_err();
            assert_eq!(wrong.at, at, "{text}: {}", wrong.words);
            assert!(wrong.words.contains(word), "{text}: {}", wrong.words);
        }
    }
}
