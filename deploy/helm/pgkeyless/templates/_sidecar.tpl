{{/*
For the pod of another chart that has this one as a dependency, in the mode `sidecar`:

  spec:
    serviceAccountName: {{ include "pgkeyless.serviceAccountName" .Subcharts.pgkeyless }}
    terminationGracePeriodSeconds: {{ include "pgkeyless.gracePeriod" .Subcharts.pgkeyless }}
    initContainers:
      {{- include "pgkeyless.sidecar" .Subcharts.pgkeyless | nindent 6 }}
    volumes:
      {{- include "pgkeyless.sidecarVolumes" .Subcharts.pgkeyless | nindent 6 }}

Init containers before it in the list start before pgkeyless, those after it when its startup probe has succeeded.
*/}}
{{- define "pgkeyless.sidecar" -}}
-
  {{- include "pgkeyless.container" . | nindent 2 }}
  restartPolicy: Always
  volumeMounts:
    - {name: pgkeyless-config, mountPath: /etc/pgkeyless/config, readOnly: true}
    - {name: pgkeyless-run, mountPath: /run/pgkeyless}
{{- end -}}

{{- define "pgkeyless.sidecarVolumes" -}}
- name: pgkeyless-config
  configMap:
    name: {{ include "pgkeyless.fullname" . }}
- name: pgkeyless-run
  emptyDir: {medium: Memory} # with the sticky bit, which pgkeyless insists on
{{- end -}}

{{/* Longer than pgkeyless takes to drain, in seconds. */}}
{{- define "pgkeyless.gracePeriod" -}}
{{- add .Values.drain.maxSeconds 15 -}}
{{- end -}}
