{{- define "actorlb.secret" }}{{ or .Values.secrets.existing .Release.Name }}{{ end -}}
{{- define "actorlb.image" }}{{ .Values.image.repository }}:{{ or .Values.image.tag .Chart.AppVersion }}{{ end -}}
{{- define "actorlb.selector" -}}
{ app.kubernetes.io/name: actorlb, app.kubernetes.io/instance: {{ .Release.Name }} }
{{- end -}}
{{- define "actorlb.labels" -}}
{ app.kubernetes.io/name: actorlb, app.kubernetes.io/instance: {{ .Release.Name }}, app.kubernetes.io/version: {{ printf "%q" .Chart.AppVersion }}, app.kubernetes.io/managed-by: {{ .Release.Service }} }
{{- end -}}
