module plugins/{{name}}

go 1.24

require github.com/tidemill/tidemill/plugin-sdk/go v0.0.0

// The SDK travels with the project.
replace github.com/tidemill/tidemill/plugin-sdk/go => ./sdk
