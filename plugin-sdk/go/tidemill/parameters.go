package tidemill

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// None are the settings of a plugin that has no parameters.
type None struct{}

// Preparer is implemented by settings that get ready once, before any record: that compile a pattern, or refuse
// a value. The error is shown to the person who applies the pipeline.
type Preparer interface {
	Prepare() error
}

// Kind of a parameter, in the contract's order.
type Kind uint8

// The kinds of parameters: Go's strings, integers, floating-point numbers and booleans.
const (
	Text Kind = iota
	Integer
	Number
	Boolean
)

// String names the kind as people know it.
func (k Kind) String() string {
	return [...]string{"text", "integer", "number", "boolean"}[k]
}

// Parameter is a field of the settings that a pipeline can set:
//
//	LengthMin int `default:"5" doc:"Leave out words with fewer letters."`
//	Invalid string `default:"fail" choices:"fail,skip" doc:"What to do with a value that is no number."`
//
// It is called as the field, in lower case with `_` between words, or as the tag `param` says. Without the tag
// `default` it has to be set. Fields that begin with a small letter are the author's own.
type Parameter struct {
	Name    string
	Kind    Kind
	Default any // string, int64, float64 or bool; nil where there is none.
	Doc     string

	field   int
	choices []string
}

// Value of a parameter: string, int64, float64 or bool.
type Value = any

// parametersOf panics where an author has to change something.
func parametersOf(settings reflect.Type) []Parameter {
	if settings.Kind() != reflect.Struct {
		panic(fmt.Sprintf("the settings %v have to be a struct", settings))
	}
	var parameters []Parameter
	for index := range settings.NumField() {
		field := settings.Field(index)
		if !field.IsExported() {
			continue
		}
		parameter, err := parameterOf(field, index)
		if err != nil {
			panic(fmt.Sprintf("the parameter %s: %v", field.Name, err))
		}
		parameters = append(parameters, parameter)
	}
	return parameters
}

func parameterOf(field reflect.StructField, index int) (Parameter, error) {
	parameter := Parameter{Name: snake(field.Name), Doc: field.Tag.Get("doc"), field: index}
	if name, ok := field.Tag.Lookup("param"); ok {
		parameter.Name = name
	}
	if !isName(parameter.Name, '_') {
		return parameter, fmt.Errorf("`%s`: lower case expected, words joined by `_`", parameter.Name)
	}
	switch field.Type.Kind() {
	case reflect.String:
		parameter.Kind = Text
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		parameter.Kind = Integer
	case reflect.Float32, reflect.Float64:
		parameter.Kind = Number
	case reflect.Bool:
		parameter.Kind = Boolean
	default:
		return parameter, fmt.Errorf("a string, a number or a bool expected, not %v", field.Type)
	}
	if choices, ok := field.Tag.Lookup("choices"); ok {
		if parameter.Kind != Text {
			return parameter, fmt.Errorf("only a string can have choices")
		}
		parameter.choices = strings.Split(choices, ",")
		parameter.Doc = strings.TrimSpace(parameter.Doc + " One of " + quoted(parameter.choices) + ".")
	}
	if text, ok := field.Tag.Lookup("default"); ok {
		value, err := parameter.parse(text)
		if err != nil {
			return parameter, err
		}
		if err := parameter.set(reflect.New(field.Type).Elem(), value); err != nil {
			return parameter, err
		}
		parameter.Default = value
	}
	return parameter, nil
}

func (p *Parameter) parse(text string) (value Value, err error) {
	switch p.Kind {
	case Integer:
		value, err = strconv.ParseInt(text, 10, 64)
	case Number:
		value, err = strconv.ParseFloat(text, 64)
	case Boolean:
		value, err = strconv.ParseBool(text)
	default:
		value = text
	}
	if err != nil {
		return nil, fmt.Errorf("the default `%s` is no %v", text, p.Kind)
	}
	return value, nil
}

// set writes a value into a field, if it is of the parameter's kind and fits.
func (p *Parameter) set(field reflect.Value, value Value) error {
	switch value := value.(type) {
	case string:
		if p.Kind != Text {
			break
		}
		if p.choices != nil && !slices.Contains(p.choices, value) {
			return fmt.Errorf("`%s` is not one of %s", value, quoted(p.choices))
		}
		field.SetString(value)
		return nil
	case bool:
		if p.Kind == Boolean {
			field.SetBool(value)
			return nil
		}
	case float64:
		if p.Kind == Number {
			field.SetFloat(value)
			return nil
		}
	case int:
		return p.set(field, int64(value))
	case int64:
		return p.setInteger(field, value)
	}
	return fmt.Errorf("a value of kind %v expected, not %v", p.Kind, value)
}

func (p *Parameter) setInteger(field reflect.Value, value int64) error {
	switch {
	case p.Kind == Number:
		field.SetFloat(float64(value))
	case p.Kind != Integer:
		return fmt.Errorf("a value of kind %v expected, not %d", p.Kind, value)
	case field.CanInt() && !field.OverflowInt(value):
		field.SetInt(value)
	case field.CanUint() && value >= 0 && !field.OverflowUint(uint64(value)):
		field.SetUint(uint64(value))
	default:
		return fmt.Errorf("%d is out of the range of %v", value, field.Type())
	}
	return nil
}

// settingsOf makes settings of values, with defaults for those that are not there.
func settingsOf[S any](parameters []Parameter, values map[string]Value) (*S, error) {
	settings := new(S)
	fields := reflect.ValueOf(settings).Elem()
	unknown := len(values)
	for index := range parameters {
		parameter := &parameters[index]
		value, ok := values[parameter.Name]
		if ok {
			unknown--
		} else if value = parameter.Default; value == nil {
			return nil, fmt.Errorf("the parameter `%s` is not set", parameter.Name)
		}
		if err := parameter.set(fields.Field(parameter.field), value); err != nil {
			return nil, fmt.Errorf("the parameter `%s`: %w", parameter.Name, err)
		}
	}
	if unknown > 0 {
		for name := range values {
			if !slices.ContainsFunc(parameters, func(p Parameter) bool { return p.Name == name }) {
				return nil, fmt.Errorf("there is no parameter `%s`", name)
			}
		}
	}
	if preparer, ok := any(settings).(Preparer); ok {
		if err := guarded(preparer.Prepare); err != nil {
			return nil, err
		}
	}
	return settings, nil
}

// snake turns LengthMin into length_min, and URLPath into url_path.
func snake(name string) string {
	var out strings.Builder
	letters := []rune(name)
	for i, letter := range letters {
		if unicode.IsUpper(letter) && i > 0 {
			after := i+1 < len(letters) && unicode.IsLower(letters[i+1])
			if !unicode.IsUpper(letters[i-1]) || after {
				out.WriteByte('_')
			}
		}
		out.WriteRune(unicode.ToLower(letter))
	}
	return out.String()
}

func quoted(words []string) string {
	return "`" + strings.Join(words, "`, `") + "`"
}
