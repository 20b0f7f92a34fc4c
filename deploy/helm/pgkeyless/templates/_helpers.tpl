{{- define "pgkeyless.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of all objects. 50 characters leave room for "-metrics" and the like. */}}
{{- define "pgkeyless.fullname" -}}
{{- $name := include "pgkeyless.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pgkeyless.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pgkeyless.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "pgkeyless.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pgkeyless.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pgkeyless.labels" -}}
{{ include "pgkeyless.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pgkeyless.image" -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}

{{/* "true" if pgkeyless asks the API server about its clients' tokens. */}}
{{- define "pgkeyless.reviewsTokens" -}}
{{- if and (eq .Values.mode "gateway") (eq (get .Values.config "auth" | default "none") "kubernetes") (not (hasKey .Values.config "kubernetes-issuer")) -}}
true
{{- end -}}
{{- end -}}

{{/* pgkeyless.yaml: the user's keys and the chart's. values.schema.json keeps them apart. */}}
{{- define "pgkeyless.config" -}}
{{- if not (get .Values.config "targets") -}}
{{- fail "config.targets is empty: name at least one database, as in config: {targets: {orders: {via: none}}}" -}}
{{- end -}}
{{- $own := dict "structured-logs" true "health-check" true "http-address" "0.0.0.0" "http-port" (int .Values.httpPort) "exit-zero-on-sigterm" true -}}
{{- $_ := set $own "max-sigterm-delay" (printf "%ds" (int .Values.drain.maxSeconds)) -}}
{{- if .Values.metrics.enabled -}}{{- $_ := set $own "prometheus" true -}}{{- end -}}
{{- $defaults := deepCopy (get .Values.config "defaults" | default dict) -}}
{{- if eq .Values.mode "gateway" -}}
{{- if and (not (hasKey .Values.config "auth")) (not (get .Values.config "allow-anyone")) -}}
{{- fail "config.auth is missing: a gateway needs to know who its clients are. Use kubernetes, cert or scram (docs/authentication.md)" -}}
{{- end -}}
{{- if and (eq (get .Values.config "auth" | default "none") "kubernetes") (not .Values.tls.secretName) -}}
{{- fail "tls.secretName is missing: with auth kubernetes, clients send their tokens inside TLS" -}}
{{- end -}}
{{- $_ := set $own "min-sigterm-delay" (printf "%ds" (int .Values.drain.acceptSeconds)) -}}
{{- if .Values.peers.enabled -}}{{- $_ := set $own "peers" (printf "%s-peers" (include "pgkeyless.fullname" .)) -}}{{- end -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $own "tls-cert" "/etc/pgkeyless/tls/tls.crt" -}}
{{- $_ := set $own "tls-key" "/etc/pgkeyless/tls/tls.key" -}}
{{- end -}}
{{- $_ := set $defaults "address" "0.0.0.0" -}}
{{- else -}}
{{- $_ := set $own "allow-users" "any" -}}
{{- end -}}
{{- if $defaults -}}{{- $_ := set $own "defaults" $defaults -}}{{- end -}}
{{- toYaml (merge $own (omit .Values.config "defaults")) -}}
{{- end -}}

{{/* The container, without what only one of the modes has. */}}
{{- define "pgkeyless.container" -}}
name: pgkeyless
image: {{ include "pgkeyless.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: ["--config-file=/etc/pgkeyless/config/pgkeyless.yaml"]
env:
  - name: XDG_RUNTIME_DIR # the Unix socket, and what `pgkeyless status` and `wait` need
    value: /run/pgkeyless
  - name: XDG_STATE_HOME # the CA of the listener, unless it has a certificate
    value: /run/pgkeyless
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
ports:
  {{- range .Values.ports }}
  - name: {{ .name }}
    containerPort: {{ .port }}
  {{- end }}
  - name: probes
    containerPort: {{ .Values.httpPort }}
startupProbe:
  httpGet: {path: /startup, port: probes}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /liveness, port: probes}
  periodSeconds: 10
  timeoutSeconds: 7
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  readOnlyRootFilesystem: true
  allowPrivilegeEscalation: false
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
