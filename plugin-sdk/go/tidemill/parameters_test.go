package tidemill

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

type settings struct {
	LengthMin int     `default:"5" doc:"Shorter words are left out."`
	HTTPPath  string  `default:"/" choices:"/,/a" doc:"Where."`
	Factor    float32 `param:"times"`
	Small     uint8   `default:"3"`
	IsLoud    bool    `default:"true"`

	path string
}

func (s *settings) Prepare() error {
	if s.LengthMin > 100 {
		return fmt.Errorf("no word has %d letters", s.LengthMin)
	}
	s.path = "prepared " + s.HTTPPath
	return nil
}

func TestParametersAreThoseOfTheStruct(t *testing.T) {
	var told []string
	for _, parameter := range parametersOf(reflect.TypeFor[settings]()) {
		told = append(told, fmt.Sprintf("%s %v %v %s", parameter.Name, parameter.Kind, parameter.Default, parameter.Doc))
	}
	want := "length_min integer 5 Shorter words are left out.|http_path text / Where. One of `/`, `/a`.|" +
		"times number <nil> |small integer 3 |is_loud boolean true "
	if got := strings.Join(told, "|"); got != want {
		t.Error(got)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	parameters := parametersOf(reflect.TypeFor[settings]())
	read, err := settingsOf[settings](parameters, map[string]Value{"times": int64(2), "http_path": "/a"})
	if err != nil || read.LengthMin != 5 || read.Factor != 2 || read.Small != 3 || !read.IsLoud || read.path != "prepared /a" {
		t.Error(read, err)
	}
	for told, given := range map[string]map[string]Value{
		"`times` is not set":    {},
		"no parameter `time`":   {"times": 1.0, "time": 1.0},
		"kind integer expected": {"times": 1.0, "length_min": "5"},
		"is not one of `/`":     {"times": 1.0, "http_path": "x"},
		"out of the range":      {"times": 1.0, "small": int64(256)},
		"no word has 101":       {"times": 1.0, "length_min": int64(101)},
		"kind number expected":  {"times": true},
	} {
		if _, err := settingsOf[settings](parameters, given); err == nil || !strings.Contains(err.Error(), told) {
			t.Errorf("%q is not in %v", told, err)
		}
	}
}

func TestMistakesOfAnAuthorAreTold(t *testing.T) {
	for told, settings := range map[string]any{
		"a string, a number or a bool": struct{ A []byte }{},
		"no integer": struct {
			A int `default:"x"`
		}{},
		"is not one of": struct {
			A string `default:"c" choices:"a,b"`
		}{},
		"have to be a struct": 1,
	} {
		func() {
			defer func() {
				if said := fmt.Sprint(recover()); !strings.Contains(said, told) {
					t.Errorf("%q is not in %q", told, said)
				}
			}()
			parametersOf(reflect.TypeOf(settings))
		}()
	}
}

func TestNames(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "length_min": true, "a1_2b": true, "": false, "_a": false, "a_": false, "a__b": false, "1a": false,
		"A": false, "a-b": false, "é": false,
	} {
		if got := isName(text, '_'); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func FuzzHeaders(f *testing.F) {
	f.Add(appendHeaders(nil, []Header{{"a", []byte("b")}, {"none", nil}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f, 2, 'a'})
	f.Fuzz(func(t *testing.T, encoded []byte) {
		total := 0
		for header := range DecodeHeaders(encoded) {
			total += len(header.Name) + len(header.Value)
		}
		if total > len(encoded) {
			t.Error(total)
		}
	})
}
