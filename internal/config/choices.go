package config

// choices are the words that options take where there are only some, or some usual ones.
var choices = map[string][]string{
	"via":                {ViaNone, "i-", "mi-", "tag:", "asg:", "ecs:"},
	"auth":               {AuthNone, AuthSCRAM, AuthCert, AuthKubernetes},
	"keep-alive":         {KeepAliveConnected, KeepAliveOff},
	"sslnegotiation":     {SSLPostgres, SSLDirect},
	"endpoint":           {"writer", "reader"},
	"rds-proxy-settings": {SettingsSet, SettingsDrop, SettingsRefuse},
	"secret":             {SecretManaged},
}

// Choices are words that the option takes, for completion; nil for one that may have any
// value.
func (o Option) Choices() []string { return choices[o.Name] }
