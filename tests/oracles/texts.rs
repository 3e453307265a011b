//! Templates, right and wrong ones, and paths, plain and hostile ones.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::support::templates::{INVALID, VALID};

/// The texts of a list, which are separated by `¦`.
pub fn list(texts: &'static str) -> Vec<&'static str> {
    texts.split('¦').collect()
}

/// Templates of every kind, of which about one half is right. None calls a function that is denied.
pub fn template() -> impl Strategy<Value = String> {
    let listed = VALID.iter().map(|(_, template)| *template);
    let listed = listed.chain(INVALID.iter().map(|(template, ..)| *template));
    let listed = select(listed.collect::<Vec<_>>()).prop_map(str::to_owned);
    prop_oneof![
        3 => well_formed(),
        3 => edited(well_formed()),
        3 => edited(listed),
        3 => blocks(),
        2 => vec(select(list(PIECES)), 0..12).prop_map(|pieces| pieces.concat()),
        1 => vec(select(list(PIECES)), 0..6).prop_map(|pieces| format!("{{{{ {} }}}}", pieces.concat())),
    ]
}

/// One of a list.
fn one_of(texts: &'static str) -> impl Strategy<Value = String> + Clone {
    select(list(texts)).prop_map(str::to_owned)
}

/// Text without actions, in one piece.
pub fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => one_of(PIECES),
        1 => any::<char>().prop_map(String::from),
        1 => one_of("${a}¦%{a}¦$$¦\\u0041¦\\¦<<EOF¦//¦$(A)"),
    ];
    joined(vec(piece, 1..8)).prop_map(|text| {
        // Lines of dashes would separate it.
        let mut text = format!("x{text}").replace('-', "_");
        while text.contains("{{") {
            text = text.replace("{{", "{");
        }
        text
    })
}

/// What actions are made of, and what they are not made of.
const PIECES: &str = "\
    {{¦{{¦}}¦}}¦{{- ¦ -}}¦{{-¦-}}¦{¦}¦{{/*¦*/}}¦/*¦*/¦*/ -}}¦{{ end }}¦{{ else }}¦{{ if . }}¦{{ range . }}¦\
    {{ with . }}¦{{ break }}¦{{ define \"x\" }}¦{{ block \"y\" . }}¦ ¦ ¦\t¦\n¦\r\n¦\"¦\"¦'¦'¦`¦`¦\\¦\\\\¦\
    \\\"¦(¦)¦|¦:=¦:¦=¦,¦.¦..¦$¦$x¦.a¦.a.b¦_¦-¦+¦/¦*¦#¦%¦&¦!¦?¦@¦[¦]¦<¦~¦^¦;¦0¦1¦8¦0x¦0b1¦0o7¦09¦1.5¦.5¦1e¦\
    e+3¦p-2¦i¦1i¦1+2i¦1_000¦-7¦x¦len¦print¦true¦false¦nil¦if¦else¦end¦with¦range¦define¦block¦template¦\
    break¦continue¦else if¦é¦größe¦名前¦٣¦²¦\u{903}¦😀¦\u{a0}¦\u{85}¦\u{2028}¦\u{200b}¦\u{feff}¦\u{fffd}¦\0¦\
    \u{1}¦\u{7f}¦a-b¦text ¦-- ";

/// Blocks in any order, most of which end.
fn blocks() -> impl Strategy<Value = String> {
    const BEGIN: &str =
        "{{ if . }}¦{{ with . }}¦{{ range . }}¦{{ block \"b\" . }}¦{{ define \"a\" }}";
    const OTHER: &str =
        "{{ else }}¦{{ else }}¦{{ else if . }}¦{{ else with . }}¦{{ break }}¦{{ continue }}¦x";
    let action = prop_oneof![
        3 => select(list(BEGIN)),
        3 => select(list(OTHER)),
        1 => Just("{{ end }}"),
    ];
    (vec(action, 1..7), prop::bool::weighted(0.9)).prop_map(|(actions, all_end)| {
        let count = |known: &[&str]| {
            actions
                .iter()
                .filter(|action| known.contains(action))
                .count()
        };
        let open = count(&list(BEGIN)).saturating_sub(count(&["{{ end }}"]));
        let ends = if all_end { open } else { open + 1 };
        actions.concat() + &"{{ end }}".repeat(ends)
    })
}

/// A template with some slips of an editor.
fn edited(template: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    (template, vec(edit(), 1..4)).prop_map(|(template, edits)| {
        edits
            .into_iter()
            .fold(template, |template, edit| edit.apply(&template))
    })
}

#[derive(Clone, Debug)]
enum Edit {
    /// Takes what is between two places out.
    Cut(Index, Index),
    /// Puts what is between two places behind itself.
    Twice(Index, Index),
    /// Nothing stays behind the place.
    CutOff(Index),
    Put(Index, &'static str),
}

fn edit() -> impl Strategy<Value = Edit> {
    let place = any::<Index>;
    prop_oneof![
        2 => (place(), place()).prop_map(|(start, end)| Edit::Cut(start, end)),
        1 => (place(), place()).prop_map(|(start, end)| Edit::Twice(start, end)),
        1 => place().prop_map(Edit::CutOff),
        4 => (place(), select(list(PIECES))).prop_map(|(place, piece)| Edit::Put(place, piece)),
    ]
}

impl Edit {
    fn apply(self, text: &str) -> String {
        let mut places: Vec<_> = text.char_indices().map(|(place, _)| place).collect();
        places.push(text.len());
        // An edit is short, as those of people are.
        let range = |start: Index, length: Index| {
            let start = start.index(places.len());
            let end = (start + length.index(8)).min(places.len() - 1);
            places[start]..places[end]
        };
        match self {
            Edit::Cut(start, end) => {
                let cut = range(start, end);
                format!("{}{}", &text[..cut.start], &text[cut.end..])
            }
            Edit::Twice(start, end) => {
                let copied = range(start, end);
                format!("{}{}", &text[..copied.end], &text[copied.start..])
            }
            Edit::CutOff(place) => text[..*place.get(&places)].to_owned(),
            Edit::Put(place, piece) => {
                let (front, behind) = text.split_at(*place.get(&places));
                format!("{front}{piece}{behind}")
            }
        }
    }
}

/// Templates by the grammar, most of which are right.
fn well_formed() -> BoxedStrategy<String> {
    let definition = (action_of("define"), nodes(2, false))
        .prop_map(|((open, close), body)| format!("{open}\"a\"{close}{body}{{{{ end }}}}"));
    let definition = prop_oneof![3 => Just(String::new()), 1 => definition];
    (definition, nodes(3, false))
        .prop_map(|(definition, nodes)| format!("{definition}{{{{ $x := 1 }}}}{nodes}"))
        .boxed()
}

/// What is between the actions of a block, with blocks of that depth in it.
fn nodes(depth: u32, is_in_loop: bool) -> BoxedStrategy<String> {
    let node = match depth {
        0 => leaf(is_in_loop),
        _ => prop_oneof![
            2 => leaf(is_in_loop),
            1 => block(depth - 1, is_in_loop),
        ]
        .boxed(),
    };
    joined(vec(node, 0..4)).boxed()
}

fn block(depth: u32, is_in_loop: bool) -> BoxedStrategy<String> {
    let inside = nodes(depth, is_in_loop);
    let parts = |begin: &str, inside: &BoxedStrategy<String>| {
        let parts = (condition(begin), inside.clone());
        parts.prop_map(|(begin, inside)| begin + &inside)
    };
    let otherwise =
        (delimited("else"), inside.clone()).prop_map(|(otherwise, inside)| otherwise + &inside);
    let otherwise = joined(vec(otherwise, 0..2)).boxed();
    let chain = |keyword: &str| {
        let begin = (
            parts(keyword, &inside),
            joined(vec(parts(&format!("else {keyword}"), &inside), 0..3)),
        );
        let whole = (begin, otherwise.clone(), delimited("end"));
        whole.prop_map(|((begin, chain), otherwise, end)| begin + &chain + &otherwise + &end)
    };
    let range = (
        parts("range", &nodes(depth, true)),
        otherwise.clone(),
        delimited("end"),
    )
        .prop_map(|(begin, otherwise, end)| begin + &otherwise + &end);
    let named = (parts("block \"b\"", &nodes(depth, false)), delimited("end"))
        .prop_map(|(begin, end)| begin + &end);
    prop_oneof![
        2 => chain("if"),
        2 => chain("with"),
        2 => range,
        1 => named,
    ]
    .boxed()
}

fn joined(texts: impl Strategy<Value = Vec<String>>) -> impl Strategy<Value = String> {
    texts.prop_map(|texts| texts.concat())
}

/// What is not a block.
fn leaf(is_in_loop: bool) -> BoxedStrategy<String> {
    let comment = (select(vec!["{{", "{{- "]), select(list("}}¦ -}}¦\n-}}")))
        .prop_map(|(open, close)| format!("{open}/* a }}}} ' \" {{{{ if */{close}"));
    let others = match is_in_loop {
        true => "break¦continue",
        // The last of them belongs in a loop.
        false => "template \"a\"¦template `a` .¦$x¦break",
    };
    let assignment = (select(list("$x = ¦$y := ¦$größe := ¦$_1:=")), pipeline())
        .prop_map(|(variable, pipeline)| format!("{variable}{pipeline}"));
    prop_oneof![
        3 => one_of("a¦ ¦\n¦x = ¦}} ¦{ ¦it's \"¦`¦-¦ - ¦é¦\\¦*/¦$$ $(A)¦😀¦\r\n¦/*"),
        1 => comment,
        3 => pipeline().prop_flat_map(|pipeline| delimited(&pipeline)),
        1 => assignment.prop_flat_map(|assignment| delimited(&assignment)),
        1 => select(list(others)).prop_flat_map(delimited),
    ]
    .boxed()
}

/// The delimiters of an action that begins with a keyword.
fn action_of(keyword: &str) -> impl Strategy<Value = (String, &'static str)> + use<> {
    let keyword = keyword.to_owned();
    delimiters().prop_map(move |(open, close)| (format!("{open}{keyword} "), close))
}

fn delimiters() -> impl Strategy<Value = (&'static str, &'static str)> {
    let open = list("{{¦{{ ¦{{ ¦{{- ¦{{-\n¦{{\t");
    let close = list("}}¦ }}¦ }}¦ -}}¦\r\n-}}¦\n}}");
    (select(open), select(close))
}

fn delimited(inside: &str) -> impl Strategy<Value = String> + use<> {
    let inside = inside.to_owned();
    delimiters().prop_map(move |(open, close)| format!("{open}{inside}{close}"))
}

fn condition(keyword: &str) -> impl Strategy<Value = String> + use<> {
    (action_of(keyword), pipeline())
        .prop_map(|((open, close), pipeline)| format!("{open}{pipeline}{close}"))
}

/// A value or a call, and calls behind it.
fn pipeline() -> BoxedStrategy<String> {
    let command = prop_oneof![one_of(VALUES), call(one_of(VALUES).boxed())];
    let command = command.prop_recursive(2, 8, 3, |inner| {
        let inner = inner.prop_map(|inner| format!("({inner})"));
        let with_fields = (inner.clone(), select(list("¦.a¦.a.b")));
        prop_oneof![
            call(inner.boxed()),
            with_fields.prop_map(|(inner, fields)| inner + fields),
        ]
    });
    let more = (select(list(" | ¦|¦\n|\t")), call(one_of(VALUES).boxed()))
        .prop_map(|(pipe, call)| pipe.to_owned() + &call);
    (command, joined(vec(more, 0..3)))
        .prop_map(|(command, more)| command + &more)
        .boxed()
}

fn call(argument: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let argument = (select(list(" ¦  ¦\t¦\n")), argument)
        .prop_map(|(space, argument)| space.to_owned() + &argument);
    (one_of(FUNCTIONS), joined(vec(argument, 0..3)))
        .prop_map(|(function, arguments)| function + &arguments)
}

/// Which Consul Template has, so that they do not hide what else it thinks of a template.
const FUNCTIONS: &str = "\
    print¦printf¦len¦index¦eq¦and¦not¦toUpper¦add¦key¦timestamp¦secret¦sprig_upper¦executeTemplate";

const VALUES: &str = "\
    .¦$¦.a¦.a.b¦$.a¦.größe¦.名前.値¦.if¦.a٣¦true¦false¦nil¦0¦42¦-7¦+7¦1_000¦0x1F¦0o17¦0b10¦-0x1p-2¦1.5¦.5¦-.5¦\
    1.¦1e3¦1.5E-3¦1i¦1+2i¦\"\"¦\"a\"¦\"}}\"¦\"\\\"\\\\\"¦\"\\u00e9 \\x41\"¦\"😀 '\"¦`a\n}} \\`¦`\"`¦'a'¦\
    '\\''¦'}'¦'é'";

/// Paths as people write them, which must be possible.
pub fn plain_path() -> impl Strategy<Value = String> {
    let first = plain_segment().prop_map(|segment| match segment.replace(':', "") {
        empty if empty.is_empty() => "a".to_owned(),
        segment => segment,
    });
    (first, vec(plain_segment(), 0..5)).prop_map(|(first, segments)| {
        let segments = segments.iter();
        segments.fold(first, |path, segment| path + "/" + segment)
    })
}

fn plain_segment() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-zA-Z0-9_@+=&$!'()*;~^|<>{}\"`\\[\\]-][a-zA-Z0-9_.@+=&$!'()*;~^|<>{}\"`\\[\\]-]{0,12}",
        2 => "[a-z0-9]{1,4}[ .-][a-zé名ß٣]{1,4}",
        2 => one_of("data¦metadata¦a.b¦..a¦a..¦...¦.a¦-¦_¦ключ¦A B  C¦²"),
        1 => "[a-z]{0,3}:[a-z:]{0,3}",
    ]
}

/// Paths that one program or another reads as something else, and plain ones.
pub fn path() -> impl Strategy<Value = String> {
    let first = prop_oneof![8 => plain_path(), 1 => segment()];
    let separator = prop_oneof![8 => Just("/"), 1 => Just("//"), 1 => Just("/./")];
    let rest =
        (separator, segment()).prop_map(|(separator, segment)| separator.to_owned() + &segment);
    let end =
        || prop_oneof![8 => Just(String::new()), 1 => one_of("/¦ ¦//¦\t¦./¦../¦\u{a0}¦\u{3000}")];
    let parts = (end(), first, joined(vec(rest, 0..5)), end());
    // A comma separates paths.
    parts.prop_map(|(front, first, rest, behind)| {
        (front + &first + &rest + &behind).replace(',', "")
    })
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => plain_segment(),
        2 => one_of(HOSTILE_SEGMENTS),
        1 => vec(any::<char>(), 0..4).prop_map(String::from_iter),
    ]
}

/// What a label could have before the API server looks at it.
pub fn label() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => plain_segment(),
        1 => one_of(HOSTILE_SEGMENTS),
        1 => path(),
    ]
}

const HOSTILE_SEGMENTS: &str = "\
    ¦.¦..¦...¦%2e%2e¦%2E.¦%2f¦%¦%zz¦a%20b¦?¦?version=2¦a?¦#¦a#b¦\\¦..\\¦a:b¦http:¦x:¦:¦//host¦user@host¦ ¦ a¦\
    a ¦. ¦ ..¦\u{a0}¦\u{3000}¦\u{200b}¦\u{202e}¦\u{feff}¦\u{2028}¦\u{ff0f}¦\u{ff0e}¦\u{2044}¦\u{ff05}¦\
    \u{301}¦e\u{301}¦\u{903}¦\u{e000}¦\u{fffd}¦😀¦\0¦\n¦\r¦\t¦\u{7f}¦\u{85}¦data¦metadata¦+¦&¦;¦*¦\"¦\" }}¦\
    {{¦`¦$¦$(A)¦\u{10d4a}¦½";
