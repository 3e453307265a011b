//! Templates as people write them, and mistakes that they make.

/// Templates that Go's parser takes, by what they show.
pub const VALID: &[(&str, &str)] = &[
    // Secrets
    (
        "KV version 1",
        r#"{{ with secret "kv/shop/mail" }}{{ .Data.password }}{{ end }}"#,
    ),
    (
        "KV version 2",
        r#"{{ with secret "secret/data/shop/mail" }}{{ .Data.data.password }}{{ end }}"#,
    ),
    (
        "a key with a dash",
        r#"{{ with secret "secret/data/shop" }}{{ index .Data.data "api-key" }}{{ end }}"#,
    ),
    (
        "metadata",
        r#"{{ with secret "secret/data/shop" }}v{{ .Data.metadata.version }}{{ end }}"#,
    ),
    (
        "a field of the answer",
        r#"{{ (secret "secret/data/shop").Data.data.user }}"#,
    ),
    (
        "parameters",
        r#"{{ with secret "pki/issue/shop" "common_name=shop.example.org" "ttl=24h" "ip_sans=127.0.0.1" }}
{{ .Data.certificate }}
{{ .Data.private_key }}
{{ end }}"#,
    ),
    (
        "parameters made from others",
        r#"{{ $host := "shop" }}{{ with secret "pki/issue/web" (printf "common_name=%s.example.org" $host) }}{{ .Data.issuing_ca }}{{ end }}"#,
    ),
    (
        "a certificate",
        r#"{{ with pkiCert "pki/issue/shop" "common_name=shop.example.org" "ttl=2h" -}}
{{ .Key }}{{ .CA }}{{ .Cert }}
{{- end }}"#,
    ),
    (
        "a chain of certificates",
        r#"{{ with secret "pki/issue/shop" "common_name=a" }}{{ range .Data.ca_chain }}{{ . }}
{{ end }}{{ end }}"#,
    ),
    (
        "a lease",
        r#"{{ with secret "database/creds/shop" }}# {{ .LeaseID }} for {{ .LeaseDuration }}s
spring.datasource.username={{ .Data.username }}
spring.datasource.password={{ .Data.password }}
{{ end }}"#,
    ),
    (
        "a list of secrets",
        r#"{{ range secrets "secret/metadata/shop/" }}{{ . }} {{ end }}"#,
    ),
    (
        "secrets of a list",
        r#"{{ range secrets "secret/metadata/" }}{{ with secret (printf "secret/data/%s" .) }}{{ range $k, $v := .Data.data }}{{ $k }}={{ $v }}
{{ end }}{{ end }}{{ end }}"#,
    ),
    (
        "a token of the cubbyhole",
        r#"{{with secret "cubbyhole/shop"}}{{.Data.token}}{{end}}"#,
    ),
    (
        "a text encrypted by Vault",
        r#"{{ with secret "transit/encrypt/shop" (printf "plaintext=%s" ("hello" | base64Encode)) }}{{ .Data.ciphertext }}{{ end }}"#,
    ),
    // Blocks
    ("a list", "{{ range .Data.hosts }}{{ . }}\n{{ end }}"),
    (
        "a list with its places",
        "{{ range $place, $host := .Data.hosts }}{{ if $place }},{{ end }}{{ $host }}{{ end }}",
    ),
    (
        "a list with one variable",
        "{{ range $host := .Data.hosts }}{{ $host }}{{ end }}",
    ),
    (
        "a list that is empty",
        "{{ range .Data.hosts }}{{ . }}{{ else }}none{{ end }}",
    ),
    (
        "a number of times",
        "{{ range 3 }}x{{ end }}{{ range $i := 3 }}{{ $i }}{{ end }}",
    ),
    (
        "blocks in blocks",
        r#"{{ with secret "a" }}{{ if .Data }}{{ range $k, $v := .Data }}{{ with $v }}{{ if eq $k "b" }}{{ . }}{{ else }}-{{ end }}{{ end }}{{ end }}{{ end }}{{ end }}"#,
    ),
    (
        "a chain of conditions",
        r#"{{ if eq .Data.stage "prod" }}a{{ else if eq .Data.stage "test" }}b{{ else if .Data.stage }}c{{ else }}d{{ end }}"#,
    ),
    (
        "a chain of with",
        r#"{{ with secret "a" }}{{ .Data.x }}{{ else with secret "b" }}{{ .Data.y }}{{ else }}none{{ end }}"#,
    ),
    (
        "else and a new block",
        "{{ if .a }}a{{ else }}{{ with .b }}b{{ end }}{{ end }}",
    ),
    (
        "else over lines",
        "{{ if .a }}a{{ else\n\tif .b }}b{{ end }}",
    ),
    (
        "break and continue",
        r#"{{ range .Data.hosts }}{{ if eq . "a" }}{{ continue }}{{ else if eq . "z" }}{{ break }}{{ end }}{{ . }}{{ end }}"#,
    ),
    (
        "break of an outer list",
        "{{ range .a }}{{ range .b }}x{{ else }}{{ break }}{{ end }}{{ end }}",
    ),
    (
        "templates in a template",
        r#"{{ define "line" }}{{ .key }}={{ .value }}{{ end }}{{ template "line" .Data }}{{ template "line" }}"#,
    ),
    (
        "a template with a raw name",
        "{{ define `a b` -}} x {{- end }}{{ template `a b` $ }}",
    ),
    ("a block", r#"{{ block "host" .Data }}{{ .host }}{{ end }}"#),
    (
        "a block in a block",
        r#"{{ range .a }}{{ block "b" . }}{{ range . }}{{ continue }}{{ end }}{{ end }}{{ break }}{{ end }}"#,
    ),
    (
        "a template that is executed",
        r#"{{ define "user" }}{{ .user }}{{ end }}{{ with secret "a" }}{{ executeTemplate "user" .Data | toUpper }}{{ end }}"#,
    ),
    // Values
    (
        "variables",
        r#"{{ $x := 1 }}{{ $x = add $x 1 }}{{ $x }}{{ $user_1 := "a" }}{{ $user_1 }}"#,
    ),
    (
        "a variable over blocks",
        r#"{{ $found := false }}{{ range .Data.hosts }}{{ if eq . "a" }}{{ $found = true }}{{ end }}{{ end }}{{ if not $found }}none{{ end }}"#,
    ),
    (
        "variables in conditions",
        "{{ if $x := .a }}{{ $x.b.c }}{{ end }}{{ with $y := .a }}{{ $y }}{{ $.z }}{{ end }}",
    ),
    (
        "without space",
        "{{$x:=1}}{{range $k,$v:=.a}}{{$k}}{{$v}}{{end}}{{.a|len}}",
    ),
    (
        "names of variables like words",
        "{{ $end := 1 }}{{ $if := .range.with.else }}{{ $end }}{{ $if }}",
    ),
    (
        "names of fields like denied functions",
        r#"{{ .env }}{{ $env := 1 }}{{ $env }}{{ (index .a "file").plugin }}{{ "env" }}"#,
    ),
    (
        "pipelines",
        r#"{{ .Data.text | trimSpace | split "," | join ";" | toLower }}"#,
    ),
    (
        "pipelines over lines",
        "{{ .Data.text\n   | trimSpace\n   | toTitle }}",
    ),
    (
        "parentheses",
        r#"{{ if and (or .a (not .b)) (gt (len (index .c 0)) 1) }}x{{ end }}"#,
    ),
    (
        "parentheses close together",
        r#"{{ ((index (.a) 0)).b.c }}{{ (.a).b }}{{ ("x") | len }}"#,
    ),
    (
        "the method of a value",
        r#"{{ (timestamp).Add.X }}{{ .Data.time.Format "2006-01-02" }}"#,
    ),
    ("nil", "{{ if eq .a nil }}x{{ end }}{{ print nil }}"),
    (
        "booleans",
        "{{ if true }}a{{ end }}{{ if and false .a }}b{{ end }}",
    ),
    (
        "comparisons",
        r#"{{ if eq .a "x" "y" "z" }}{{ end }}{{ if ne .a 1 }}{{ end }}{{ if lt 1 .a }}{{ end }}{{ if le .a 1 }}{{ end }}{{ if ge .a 1.5 }}{{ end }}"#,
    ),
    (
        "decimal numbers",
        "{{ 0 }}{{ 42 }}{{ +7 }}{{ -7 }}{{ 1_000_000 }}",
    ),
    (
        "other numbers",
        "{{ 0x1F }}{{ 0XfF }}{{ 0o17 }}{{ 0O7 }}{{ 017 }}{{ 0b1010 }}{{ 0B1 }}{{ 0x_ff }}{{ -0x1p-2 }}{{ 0X1.8P+3 }}",
    ),
    (
        "fractions",
        "{{ 1.5 }}{{ .5 }}{{ -.5 }}{{ 1. }}{{ 1e3 }}{{ 1E+3 }}{{ 1.5e-3 }}{{ 1_0.2_5 }}",
    ),
    (
        "imaginary numbers",
        "{{ 1i }}{{ 1.5i }}{{ 1+2i }}{{ -1-2.5i }}{{ 1e2i }}",
    ),
    (
        "numbers in calls",
        "{{ add 1 -1 }}{{ index .a 0 0x1 }}{{ slice .a 1 2 }}{{(1)}}",
    ),
    (
        "strings",
        r#"{{ "a\tb\n\"c\" \\ \x41 \u00e9 \U0001F600 \101 $ ' `" }}"#,
    ),
    (
        "characters",
        r"{{ 'a' }}{{ '\'' }}{{ '\\' }}{{ '\n' }}{{ '\x00' }}{{ 'é' }}{{ '世' }}{{ '}' }}{{ '`' }}",
    ),
    ("raw strings", "{{ `a \\ \" ' {{ }}\n  { } \\` }}"),
    (
        "delimiters in strings",
        r#"{{ "}}" }}{{ "{{" }}{{ `}}` }}{{"{{"}} .a {{"}}"}}{{ print "{{/*" "*/}}" " -}}" }}"#,
    ),
    (
        "delimiters of another language",
        "{{ `{{ .Values.host }}` }} and {{`{{`}} x }}",
    ),
    // Functions
    (
        "printf",
        r#"{{ printf "%s:%d %v %q %05.2f %%" "a" 1 .b "c" 1.5 }}{{ .a | printf "%s-%s" "x" }}"#,
    ),
    (
        "JSON, YAML and TOML",
        r#"{{ with secret "a" }}{{ .Data | toJSON }}{{ .Data | toJSONPretty }}{{ .Data | toUnescapedJSON }}{{ .Data.data | toYAML | indent 2 }}{{ .Data | toTOML }}{{ end }}"#,
    ),
    (
        "JSON of a key",
        r#"{{ with $d := key "shop/config" | parseJSON }}{{ $d.name }}{{ end }}{{ range parseYAML "[a]" }}{{ . }}{{ end }}"#,
    ),
    (
        "a scratch pad",
        r#"{{ scratch.Set "a" "b" }}{{ scratch.MapSet "m" "k" 1 }}{{ scratch.Get "a" }}{{ range scratch.MapValues "m" }}{{ . }}{{ end }}{{ if scratch.Key "a" }}{{ end }}"#,
    ),
    (
        "Base64",
        r#"{{ with secret "a" }}{{ base64Decode .Data.data.keystore }}{{ .Data.x | base64Encode }}{{ base64URLDecode "YQ" }}{{ end }}"#,
    ),
    (
        "keys of Consul",
        r#"{{ key "shop/a" }}{{ keyOrDefault "shop/b" "5" }}{{ if keyExists "shop/c" }}{{ end }}{{ range ls "shop" }}{{ .Key }}={{ .Value }}{{ end }}{{ range $i, $e := tree "shop@dc1" }}{{ $e.Key }}{{ end }}{{ with safeLs "shop" }}{{ . }}{{ end }}"#,
    ),
    (
        "keys of Consul by directories",
        r#"{{ range $directory, $pairs := tree "shop" | byKey }}{{ $directory }}:{{ range $pairs }}
  {{ .Key }}={{ .Value }}{{ end }}{{ end }}"#,
    ),
    (
        "services of Consul",
        r#"{{ range service "prod.web@dc1" "passing,warning" }}server {{ .Name }} {{ .Address }}:{{ .Port }}{{ if .Tags | contains "a" }} backup{{ end }}
{{ end }}{{ range services }}{{ .Name }}{{ range .Tags }}{{ . }}{{ end }}{{ end }}{{ range nodes }}{{ .Node }}{{ end }}"#,
    ),
    (
        "services of Consul by tag",
        r#"{{ range $tag, $services := service "web" | byTag }}{{ $tag }}{{ range $services }}{{ .ID }}{{ end }}{{ end }}"#,
    ),
    (
        "functions of sprig",
        r#"{{ "a" | sprig_upper | sprig_quote }}{{ sprig_default "x" .a }}{{ $d := sprig_dict "k" "v" }}{{ range sprig_list 1 2 3 }}{{ . }}{{ end }}{{ sprig_kindIs "map" .a }}{{ sprig_b64enc "a" | sprig_nindent 4 }}"#,
    ),
    (
        "texts",
        r#"{{ "a,b" | split "," | join "-" }}{{ .a | replaceAll "\n" "\\n" | regexReplaceAll "[a-z]+(\\d)" "$1" }}{{ if .a | regexMatch "^[{}]+$" }}{{ end }}{{ "x" | sha256Hex }}{{ hmacSHA256Hex "a" "b" }}"#,
    ),
    (
        "arithmetic",
        "{{ add 1 2 | multiply 3 | divide 2 | modulo 5 | subtract 1 }}{{ minimum 1 2 }}{{ maximum 1 2 }}{{ loop 1 5 }}{{ range loop 3 }}{{ . }}{{ end }}",
    ),
    (
        "times and files",
        r#"{{ timestamp "2006-01-02" }}{{ timestamp "unix" }}{{ .a | parseInt | parseBool }}{{ md5sum "a" }}{{ sockaddr "GetPrivateIP" }}{{ explode .a }}"#,
    ),
    (
        "several files of one",
        r#"{{ range $i, $v := .Data.data | explodeMap }}{{ $v | spew_dump }}{{ mergeMap $v }}{{ end }}"#,
    ),
    (
        "a call",
        r#"{{ call .a.f 1 "b" }}{{ html "<a>" }}{{ js "'" }}{{ urlquery "a b" }}"#,
    ),
    (
        "ids",
        r#"{{ with secret "identity/oidc/token/shop" }}{{ .Data.token }}{{ .Auth }}{{ end }}{{ with secret "auth/token/lookup-self" }}{{ .Data.policies | join "," }}{{ end }}"#,
    ),
    // Text and space
    ("trim marks", "a {{- .b }} c {{ .d -}} e {{- .f -}} g"),
    (
        "trim marks at breaks and tabs",
        "a\n{{-\n.b\n-}}\n{{-\t.c\t-}}\r\n{{-\r\n.d\r\n-}}",
    ),
    (
        "trim marks at keywords",
        "{{- if .a -}} x {{- else if .b -}} y {{- else -}} z {{- end -}}",
    ),
    (
        "trim marks and negative numbers",
        "{{- -1 -}}{{ -1 }}{{-  -2.5  -}}",
    ),
    (
        "a trim mark in front of a variable",
        "{{- $x := `a` -}}{{- $x -}}",
    ),
    (
        "comments",
        "{{/* a */}}{{- /* b */ -}}{{/* c */ -}}{{- /* d */}}{{/**/}}{{-\t/* e */\n-}}",
    ),
    (
        "comments of many lines",
        "{{/*\n  it's \"a comment\" }} with {{ if `\n*/}}\nx",
    ),
    ("a comment that begins like its end", "{{/*/ a, b */}}x"),
    (
        "comments with quotes, and backslashes in text",
        "{{/*/ ' */}}' \\$5 {{-\t/* \" */ -}}\" \\$6",
    ),
    (
        "a comment between a chain",
        "{{ if .a }}{{/* else */}}{{ else }}{{- /* end */ -}}{{ end }}",
    ),
    (
        "lines that end as those of Windows",
        "{{ with secret \"a\" }}\r\nuser={{ .Data.user }}\r\n{{ else }}\r\n{{ end }}\r\n",
    ),
    (
        "tabs",
        "\t{{\twith\tsecret\t\"a\"\t}}\t{{\t.Data.b\t|\tlen\t}}\t{{\tend\t}}",
    ),
    (
        "an action over lines",
        "{{ with\n  secret\n    \"a\"\n    \"b=c\"\n}}{{\n.Data\n}}{{\nend\n}}",
    ),
    ("text only", "host=db\nport=5432\n"),
    (
        "braces in text",
        "{ } }} } { {a} ${b} {% c %} }}}} /* x */ -}}",
    ),
    (
        "a brace at an action",
        "{ {{ .a }} } }{{ .b }}} {x{{ .c }}x}}",
    ),
    (
        "JSON as text",
        r#"{"a": {"b": "{{ .c }}"}, "d": [{"e": {}}]}"#,
    ),
    ("quotes in text", "it's \"{{ .a }}\" `x` 'y"),
    ("dashes in text", "a --- b\n----\n --- x\n- {{ .a }}\n-- -"),
    (
        "names and text of other scripts",
        "grüße {{ .größe }} {{ $имя := .данные }}{{ $имя }} {{ .名前.値 }} {{ `ключ` }} 😀{{ \"😀\" }}",
    ),
    (
        "digits of other scripts",
        "{{ .a٣ }}{{ $x९ := 1 }}{{ $x९ }}",
    ),
    (
        "variables of shells",
        "export A=$A B=${B:-x} C=$(d) $$ {{ .e }}$",
    ),
    (
        "only dots and dollars",
        "{{ . }}{{ $ }}{{.}}{{$}}{{ $.a }}{{ print . $ }}",
    ),
];

/// Templates that Go's parser rejects, with the line and the end of the message.
pub const INVALID: &[(&str, usize, &str)] = &[
    // Cut off
    ("{{", 1, "{{ without }}"),
    ("a\n{{ .Data.x", 2, "{{ without }}"),
    ("a\n{{ with secret \"a\"\n\n", 2, "{{ without }}"),
    (
        "{{ .a }\n}",
        1,
        "'}' is not allowed at this place of an action",
    ),
    ("\n{{/* a", 2, "a comment without */"),
    ("{{- /* a }}\n{{ .b }}", 1, "a comment without */"),
    ("{{/*/}}", 1, "a comment without */"),
    (
        "{{ secret \"a }}\n{{ .b }}",
        1,
        "a string without its second quote",
    ),
    ("x\n{{ \"a\\\" }}", 2, "a string without its second quote"),
    ("{{ \"a\nb\" }}", 1, "a string without its second quote"),
    ("{{ \"a\\\nb\" }}", 1, "a string without its second quote"),
    ("{{ 'a }}", 1, "a string without its second quote"),
    ("x\ny\n{{ `a }}\n", 3, "a string without its second quote"),
    ("\n\n{{ if .a }}\nb\n", 3, "{{ if }} without {{ end }}"),
    (
        "{{ range .a }}{{ with .b }}{{ end }}",
        1,
        "{{ range }} without {{ end }}",
    ),
    (
        "{{ range .a }}\n{{ with .b }}",
        2,
        "{{ with }} without {{ end }}",
    ),
    ("{{ define \"a\" }}x", 1, "{{ define }} without {{ end }}"),
    ("{{ block \"a\" . }}x", 1, "{{ block }} without {{ end }}"),
    (
        "{{ if .a }}{{ else if .b }}{{ else }}",
        1,
        "{{ if }} without {{ end }}",
    ),
    (
        "{{ with secret \"a\" }}{{ .Data.x }}{{/* end */}}",
        1,
        "{{ with }} without {{ end }}",
    ),
    // Pasted twice, or in the wrong place
    (
        "{{ if .a }}{{ end }}\n{{ end }}",
        2,
        "{{ end }} belongs after if, with, range, define or block",
    ),
    (
        "{{ else }}",
        1,
        "{{ else }} belongs once, inside if, with or range",
    ),
    (
        "{{ if .a }}{{ else }}\n{{ else }}{{ end }}",
        2,
        "{{ else }} belongs once, inside if, with or range",
    ),
    (
        "{{ range .a }}{{ else }}{{ else if .b }}{{ end }}",
        1,
        "{{ else }} belongs once, inside if, with or range",
    ),
    (
        "{{ define \"a\" }}{{ else }}{{ end }}",
        1,
        "{{ else }} belongs once, inside if, with or range",
    ),
    (
        "{{ if .a }}\n{{ define \"a\" }}{{ end }}{{ end }}",
        2,
        "{{ define }} belongs outside all blocks",
    ),
    ("{{ break }}", 1, "{{ break }} belongs inside range"),
    (
        "{{ with .a }}{{ continue }}{{ end }}",
        1,
        "{{ continue }} belongs inside range",
    ),
    (
        "{{ range .a }}{{ else }}{{ break }}{{ end }}",
        1,
        "{{ break }} belongs inside range",
    ),
    (
        "{{ range .a }}{{ block \"b\" . }}{{ break }}{{ end }}{{ end }}",
        1,
        "{{ break }} belongs inside range",
    ),
    (
        "{{ if .a }}{{ end .a }}",
        1,
        "end must end its action; only else can have if or with after it, in a block of the same kind",
    ),
    (
        "{{ range .a }}{{ break 2 }}{{ end }}",
        1,
        "break must end its action; only else can have if or with after it, in a block of the same kind",
    ),
    (
        "{{ if .a }}\n{{ else .b }}{{ end }}",
        2,
        "else must end its action; only else can have if or with after it, in a block of the same kind",
    ),
    (
        "{{ range .a }}{{ else if .b }}{{ end }}",
        1,
        "else must end its action; only else can have if or with after it, in a block of the same kind",
    ),
    (
        "{{ if .a }}{{ else with .b }}{{ end }}",
        1,
        "else must end its action; only else can have if or with after it, in a block of the same kind",
    ),
    ("{{ .a | range }}", 1, "range must begin its action"),
    ("{{ if .a }}{{ end if }}", 1, "if must begin its action"),
    ("{{ not if .a }}{{ end }}", 1, "if must begin its action"),
    (
        "{{ if .a }}{{ else range .b }}{{ end }}",
        1,
        "range must begin its action",
    ),
    // No Go template
    ("{{}}", 1, "{{ }} with nothing in it"),
    ("a\n{{   }}", 2, "{{ }} with nothing in it"),
    ("{{- -}}", 1, "{{ }} with nothing in it"),
    (
        "{{ /* a */ }}",
        1,
        "'/' is not allowed at this place of an action",
    ),
    (
        "{{/* a */ .b }}",
        1,
        "a comment must end its action; expected */}} or */ -}}",
    ),
    (
        "{{/* a */-}}",
        1,
        "a comment must end its action; expected */}} or */ -}}",
    ),
    (
        "x\n{{/*\n\n*/ }}",
        4,
        "a comment must end its action; expected */}} or */ -}}",
    ),
    (
        "{{ index (.a 0 }}",
        1,
        "a parenthesis without its counterpart",
    ),
    (
        "{{ index .a) 0 }}",
        1,
        "a parenthesis without its counterpart",
    ),
    ("{{ (.a\n}}", 2, "a parenthesis without its counterpart"),
    ("{{ 12ab }}", 1, "a number that is not valid"),
    ("{{ 0o8 }}", 1, "a number that is not valid"),
    ("{{ 0b2 }}", 1, "a number that is not valid"),
    ("{{ 1+2 }}", 1, "a number that is not valid"),
    ("{{ 1.5x }}", 1, "a number that is not valid"),
    (
        "{{ .Data.api-key }}",
        1,
        "'-' is not allowed at this place of an action",
    ),
    (
        "{{ .Values.a[0] }}",
        1,
        "'[' is not allowed at this place of an action",
    ),
    (
        "{{ .a && .b }}",
        1,
        "'&' is not allowed at this place of an action",
    ),
    (
        "{{ !.a }}",
        1,
        "'!' is not allowed at this place of an action",
    ),
    (
        "{{ .a ? .b : .c }}",
        1,
        "'?' is not allowed at this place of an action",
    ),
    (
        "{{ a : b }}",
        1,
        "':' is not allowed at this place of an action",
    ),
    (
        "{{ $a=1 }}",
        1,
        "'=' is not allowed at this place of an action",
    ),
    (
        "{{ \\x }}",
        1,
        "'\\\\' is not allowed at this place of an action",
    ),
    (
        "{{ {{ .a }} }}",
        1,
        "'{' is not allowed at this place of an action",
    ),
    (
        "{{ .a\n  # b\n}}",
        2,
        "'#' is not allowed at this place of an action",
    ),
    (
        "{{ .a\u{a0}}}",
        1,
        "'\\u{a0}' is not allowed at this place of an action",
    ),
    (
        "{{ “a” }}",
        1,
        "'“' is not allowed at this place of an action",
    ),
    (
        "\r\n\r\n{{ @a }}",
        3,
        "'@' is not allowed at this place of an action",
    ),
];
