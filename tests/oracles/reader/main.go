// Command reader reports how Go reads what the policy accepts. Each line of its input is a question as JSON,
// and each line of its output the answer to it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template/parse"
	"unicode"
)

// A question holds one of these, and perhaps delimiters.
type question struct {
	// Whether this is a template.
	Template *string `json:"template"`
	// What its actions begin and end with, if not with braces.
	Left  string `json:"left"`
	Right string `json:"right"`
	// What is made of the path that this template, one of the policy's, reads a secret from.
	Secret *string `json:"secret"`
	// What a file at this path is called in the end.
	File *string `json:"file"`
	// Which of these letters are printed.
	Letters *string `json:"letters"`
}

type answer struct {
	// Why it is no template.
	Rejection string `json:"rejection"`
	// The path as the template has it, or the file's.
	Path string `json:"path"`
	// The steps in which it becomes another path, or more than a path.
	Differences []string `json:"differences"`
	// Letters that Go prints as escapes.
	Unprintable string `json:"unprintable"`
	// Letters that are newer than the Unicode of this Go.
	Unknown string `json:"unknown"`
}

func main() {
	log.SetFlags(0)
	input := json.NewDecoder(bufio.NewReader(os.Stdin))
	output := json.NewEncoder(os.Stdout)
	for input.More() {
		var asked question
		if err := input.Decode(&asked); err != nil {
			log.Fatal(err)
		}
		if err := output.Encode(reply(asked)); err != nil {
			log.Fatal(err)
		}
	}
}

func reply(asked question) answer {
	switch {
	case asked.Template != nil:
		_, err := parseTemplate(*asked.Template, asked.Left, asked.Right)
		return answer{Rejection: reason(err)}
	case asked.Secret != nil:
		tree, err := parseTemplate(*asked.Secret, "", "")
		if err != nil {
			return answer{Rejection: reason(err)}
		}
		read := pathOfSecret(tree)
		unprintable, unknown := unprinted(read)
		return answer{
			Path:        read,
			Differences: differences(read),
			Unprintable: unprintable,
			Unknown:     unknown,
		}
	case asked.File != nil:
		return answer{Path: filepath.Clean(*asked.File)}
	case asked.Letters != nil:
		unprintable, unknown := unprinted(*asked.Letters)
		return answer{Unprintable: unprintable, Unknown: unknown}
	}
	return answer{Rejection: "no question"}
}

// parseTemplate parses as text/template does, with a function for every name.
func parseTemplate(text, left, right string) (*parse.Tree, error) {
	tree := parse.New("")
	tree.Mode = parse.SkipFuncCheck
	return tree.Parse(text, left, right, map[string]*parse.Tree{})
}

var place = regexp.MustCompile(`^template: :\d+: `)

func reason(err error) string {
	if err == nil {
		return ""
	}
	return place.ReplaceAllString(err.Error(), "")
}

// pathOfSecret returns the text behind `{{ with secret`, with which the policy's own templates begin.
func pathOfSecret(tree *parse.Tree) string {
	if with, ok := tree.Root.Nodes[0].(*parse.WithNode); ok {
		call := with.Pipe.Cmds[0].Args
		if text, ok := call[len(call)-1].(*parse.StringNode); ok && len(call) == 2 {
			return text.Text
		}
	}
	return ""
}

// differences follows a path from a template, through Consul Template and the API client of Vault, to what Vault
// finds in the request.
func differences(read string) []string {
	found := []string{}
	hold := func(step, actual, expected string) {
		if actual != expected {
			found = append(found, fmt.Sprintf("%s: %q", step, actual))
		}
	}
	hold("strings.TrimSpace", strings.TrimSpace(read), read)
	hold("strings.Trim", strings.Trim(read, "/"), read)
	asURL, err := url.Parse(read)
	if err != nil {
		return append(found, "url.Parse: "+err.Error())
	}
	hold("url.Parse, Path", asURL.Path, read)
	asURL.Path, asURL.RawPath = "", ""
	hold("url.Parse, beside Path", asURL.String(), "")
	hold("ForceQuery", fmt.Sprint(asURL.ForceQuery), "false")
	whole := "/v1/" + read
	hold("path.Join", path.Join("/v1", read), whole)
	hold("path.Clean", path.Clean(whole), whole)
	escaped := (&url.URL{Path: whole}).EscapedPath()
	requested, err := url.ParseRequestURI(escaped)
	if err != nil {
		return append(found, "url.ParseRequestURI: "+err.Error())
	}
	hold("url.ParseRequestURI, Path", requested.Path, whole)
	hold("url.ParseRequestURI, EscapedPath", requested.EscapedPath(), escaped)
	hold("url.ParseRequestURI, RawQuery", requested.RawQuery, "")
	hold("url.ParseRequestURI, Host", requested.Host, "")
	return found
}

// unprinted returns the letters that unicode.IsPrint does not take, in two parts: those that are assigned in the
// Unicode of this Go, and those that are not.
func unprinted(text string) (unprintable, unknown string) {
	for _, letter := range text {
		switch {
		case unicode.IsPrint(letter):
		case isAssigned(letter):
			unprintable += string(letter)
		default:
			unknown += string(letter)
		}
	}
	return unprintable, unknown
}

func isAssigned(letter rune) bool {
	return unicode.In(letter, unicode.L, unicode.M, unicode.N, unicode.P, unicode.S, unicode.Z,
		unicode.Cc, unicode.Cf, unicode.Co)
}
