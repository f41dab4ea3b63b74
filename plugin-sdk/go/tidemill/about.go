package tidemill

import (
	"fmt"
	"strings"
)

// About says what a plugin is. Its name and version are those of tidemill-plugin.toml.
type About struct {
	// What the plugin does, in one line: people choose it by that.
	Summary string
	// The parts of a record that the plugin looks at; the host leaves the others out, and so do the tests.
	Reads Parts
	// The names of a transform's outputs; one, called `out`, by default.
	Ports []string
	// Rises when a reducer writes its accumulators in another form than before.
	StateVersion uint32
}

// Parts of a record.
type Parts uint8

// The parts of a record, to be joined with `|`.
const (
	Keys Parts = 1 << iota
	Values
	Headers
	Timestamps
)

// String names the parts as the contract does.
func (p Parts) String() string {
	var names []string
	for bit, name := range []string{"keys", "values", "headers", "timestamps"} {
		if p>>bit&1 == 1 {
			names = append(names, name)
		}
	}
	return strings.Join(names, ", ")
}

// isName tells whether a text is lower case, its words joined by `joint`; the first begins with a letter.
func isName(text string, joint byte) bool {
	before := joint
	for index := range len(text) {
		letter := text[index]
		isDigit := letter >= '0' && letter <= '9' && index > 0
		isJoint := letter == joint && before != joint
		if !isDigit && !isJoint && (letter < 'a' || letter > 'z') {
			return false
		}
		before = letter
	}
	return before != joint
}

// checked panics where an author has to change something: it runs when the plugin's tests start.
func (a About) checked() *About {
	if strings.TrimSpace(a.Summary) == "" {
		panic("say in About.Summary what the plugin does: people choose it by that line")
	}
	for _, port := range a.Ports {
		if !isName(port, '-') {
			panic(fmt.Sprintf("port `%s`: lower case expected, words joined by `-`", port))
		}
	}
	return &a
}
