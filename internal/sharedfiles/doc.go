// Package sharedfiles reads the config and credentials files that the AWS CLI
// and the SDKs share, and says where in them a setting stands.
//
//	config       [default] [profile NAME] [sso-session NAME] [services NAME]
//	credentials  [NAME]
//
// What the AWS CLI accepts is accepted, as are the further forms that the SDKs
// take: "AWS_CONFIG_FILE=~/x", quoted profile names, keys that are indented,
// files with a byte order mark, in UTF-16 or with CRLF. Nothing here is an error:
// a file that cannot be read is empty, and says why.
//
// Sources: aws-cli, botocore/configloader.py (Python's RawConfigParser) and
// botocore/session.py; the SDK's config/internal/ini.
package sharedfiles
