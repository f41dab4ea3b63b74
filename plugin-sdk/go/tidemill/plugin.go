package tidemill

import "reflect"

// plugin is what every kind has: a description, and settings.
type plugin[S any] struct {
	about      *About
	parameters []Parameter
	settings   *S
}

func newPlugin[S any](about About) plugin[S] {
	return plugin[S]{about: about.checked(), parameters: parametersOf(reflect.TypeFor[S]())}
}

// About says what the plugin is.
func (p *plugin[S]) About() About {
	return *p.about
}

// Parameters are those that a pipeline can set.
func (p *plugin[S]) Parameters() []Parameter {
	return p.parameters
}

// Configure takes what a pipeline set; it comes before any record.
func (p *plugin[S]) Configure(values map[string]Value) error {
	settings, err := settingsOf[S](p.parameters, values)
	if err == nil {
		p.settings = settings
	}
	return err
}

// Plugin is what all kinds have in common.
type Plugin interface {
	About() About
	Parameters() []Parameter
	Configure(values map[string]Value) error
}
