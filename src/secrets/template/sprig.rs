//! Templates of Bank-Vaults, in which functions are those of sprig, as Consul Template has them.

use super::Delimiters;
use super::lexer::{Lexer, Token};
use super::mistake::Keyword;
use crate::values::Delimiter;
use crate::words::quoted;

/// A template of Bank-Vaults as Consul Template has it: its actions are in `${` and `}`, and its functions are sprig's, which
/// have a prefix here. So it calls nothing that reads another secret. It defines no template, for its names would be those of
/// the policy's. The error says what is wrong.
pub fn of_sprig(template: &str) -> Result<String, String> {
    let [left, right] = Delimiter::BANK_VAULTS;
    let delimiters = Delimiters {
        left: Some(left),
        right: Some(right),
    };
    let mut output = String::with_capacity(template.len());
    for (token, text) in Lexer::new(template, &delimiters) {
        match token {
            Token::Open => output.push_str(&text.replacen("${", "{{", 1)),
            Token::Close => {
                output.push_str(text);
                output.push('}');
            }
            Token::Text => push_text(text, &mut output),
            Token::Word if is_definition(text) => {
                return Err(format!(
                    "the template must not define another with {text}; remove it"
                ));
            }
            Token::Word if is_of_go(text) => output.push_str(text),
            Token::Word if FUNCTIONS.contains(&text) => {
                output.push_str("sprig_");
                output.push_str(text);
            }
            Token::Word => {
                return Err(format!(
                    "the template calls {}; expected a function of sprig that gives the same result each time",
                    quoted(text)
                ));
            }
            _ => output.push_str(text),
        }
    }
    Ok(output)
}

/// Text outside actions, of which no brace begins one. White space at its ends stays as it is, for trim marks.
fn push_text(text: &str, output: &mut String) {
    if !text.contains('{') {
        output.push_str(text);
        return;
    }
    let start = text.len() - text.trim_start().len();
    let end = text.trim_end().len();
    output.push_str(&text[..start]);
    output.push_str(&format!(
        "{{{{ {} }}}}",
        super::go_string(&text[start..end])
    ));
    output.push_str(&text[end..]);
}

fn is_definition(word: &str) -> bool {
    [Keyword::Define, Keyword::Block]
        .iter()
        .any(|keyword| keyword.as_str() == word)
}

/// Whether a word is a keyword, a value or a function of Go's templates themselves.
fn is_of_go(word: &str) -> bool {
    const OF_GO: [&str; 21] = [
        "and", "call", "html", "index", "js", "len", "not", "or", "print", "printf", "println",
        "urlquery", "eq", "ge", "gt", "le", "lt", "ne", "nil", "true", "false",
    ];
    let mut keywords = Keyword::ALL.iter();
    OF_GO.contains(&word) || keywords.any(|keyword| keyword.as_str() == word)
}

/// The functions of sprig 3.3 that give the same result each time, which are those that Consul Template has.
const FUNCTIONS: &[&str] = &[
    "abbrev",
    "abbrevboth",
    "add",
    "add1",
    "add1f",
    "addf",
    "adler32sum",
    "ago",
    "all",
    "any",
    "append",
    "atoi",
    "b32dec",
    "b32enc",
    "b64dec",
    "b64enc",
    "base",
    "bcrypt",
    "biggest",
    "buildCustomCert",
    "camelcase",
    "cat",
    "ceil",
    "chunk",
    "clean",
    "coalesce",
    "compact",
    "concat",
    "contains",
    "decryptAES",
    "deepCopy",
    "deepEqual",
    "default",
    "derivePassword",
    "dict",
    "dig",
    "dir",
    "div",
    "divf",
    "duration",
    "durationRound",
    "empty",
    "encryptAES",
    "ext",
    "fail",
    "first",
    "float64",
    "floor",
    "fromJson",
    "genCA",
    "genCAWithKey",
    "genPrivateKey",
    "genSelfSignedCert",
    "genSelfSignedCertWithKey",
    "genSignedCert",
    "genSignedCertWithKey",
    "get",
    "has",
    "hasKey",
    "hasPrefix",
    "hasSuffix",
    "hello",
    "htpasswd",
    "indent",
    "initial",
    "initials",
    "int",
    "int64",
    "isAbs",
    "join",
    "kebabcase",
    "keys",
    "kindIs",
    "kindOf",
    "last",
    "list",
    "lower",
    "max",
    "maxf",
    "merge",
    "mergeOverwrite",
    "min",
    "minf",
    "mod",
    "mul",
    "mulf",
    "mustAppend",
    "mustChunk",
    "mustCompact",
    "mustDateModify",
    "mustDeepCopy",
    "mustFirst",
    "mustFromJson",
    "mustHas",
    "mustInitial",
    "mustLast",
    "mustMerge",
    "mustMergeOverwrite",
    "mustPrepend",
    "mustRegexFind",
    "mustRegexFindAll",
    "mustRegexMatch",
    "mustRegexReplaceAll",
    "mustRegexReplaceAllLiteral",
    "mustRegexSplit",
    "mustRest",
    "mustReverse",
    "mustSlice",
    "mustToDate",
    "mustToJson",
    "mustToPrettyJson",
    "mustToRawJson",
    "mustUniq",
    "mustWithout",
    "must_date_modify",
    "nindent",
    "nospace",
    "omit",
    "osBase",
    "osClean",
    "osDir",
    "osExt",
    "osIsAbs",
    "pick",
    "pluck",
    "plural",
    "prepend",
    "quote",
    "randInt",
    "regexFind",
    "regexFindAll",
    "regexMatch",
    "regexQuoteMeta",
    "regexReplaceAll",
    "regexReplaceAllLiteral",
    "regexSplit",
    "repeat",
    "replace",
    "rest",
    "reverse",
    "round",
    "semver",
    "semverCompare",
    "seq",
    "set",
    "sha1sum",
    "sha256sum",
    "sha512sum",
    "shuffle",
    "slice",
    "snakecase",
    "sortAlpha",
    "split",
    "splitList",
    "splitn",
    "squote",
    "sub",
    "subf",
    "substr",
    "swapcase",
    "ternary",
    "title",
    "toDate",
    "toDecimal",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "toString",
    "toStrings",
    "trim",
    "trimAll",
    "trimPrefix",
    "trimSuffix",
    "trimall",
    "trunc",
    "tuple",
    "typeIs",
    "typeIsLike",
    "typeOf",
    "uniq",
    "unixEpoch",
    "unset",
    "until",
    "untilStep",
    "untitle",
    "upper",
    "urlJoin",
    "urlParse",
    "values",
    "without",
    "wrap",
    "wrapWith",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_functions_of_sprig_have_a_prefix_here() {
        for (template, expected) in [
            ("${.a}", "{{.a}}"),
            (
                "${- .a | b64enc | trimAll \"}\" -}y",
                "{{- .a | sprig_b64enc | sprig_trimAll \"}\" -}}y",
            ),
            (
                "${if eq .a $.b}c${else}d${end}",
                "{{if eq .a $.b}}c{{else}}d{{end}}",
            ),
            ("a {{ secret }} b", "{{ \"a {{ secret }} b\" }}"),
            (" {${.a}} { ", " {{ \"{\" }}{{.a}}{{ \"} {\" }} "),
            ("${/* secret */}${.x}", "{{/* secret */}}{{.x}}"),
            ("${.a", "{{.a"),
        ] {
            assert_eq!(of_sprig(template).as_deref(), Ok(expected), "{template}");
        }
    }

    #[test]
    fn other_functions_and_definitions_are_not_taken() {
        for template in [
            "${ secret \"x\" }",
            "${ env \"HOME\" }",
            "${ now }",
            "${ sprig_upper .a }",
            "${ define \"a\" }${ end }",
            "${ block \"value\" . }${ end }",
            "${ .a | file }",
            "${ executeTemplate \"value\" . }",
        ] {
            assert!(of_sprig(template).is_err(), "{template}");
        }
    }
}
