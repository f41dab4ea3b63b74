module github.com/tidemill/tidemill/plugin-sdk/go

go 1.24
