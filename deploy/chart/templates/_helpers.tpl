{{- define "sealgate.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "sealgate.selectorLabels" -}}
app.kubernetes.io/name: sealgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "sealgate.labels" -}}
{{ include "sealgate.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "sealgate.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "sealgate.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Name of the Secret with the certificate. */}}
{{- define "sealgate.tlsSecret" -}}
{{- default (printf "%s-tls" (include "sealgate.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* Settings that gateway and sidecar have in common. Takes the values; `listen`: address of the S3 port. */}}
{{- define "sealgate.environment" -}}
- name: SEALGATE_LISTEN
  value: {{ .listen | quote }}
- name: SEALGATE_OPS_LISTEN
  value: 0.0.0.0:8081
- name: SEALGATE_BACKEND
  value: {{ required "store.endpoint must be set: the URL of the storage" .values.store.endpoint | quote }}
{{- with .values.store.region }}
- name: SEALGATE_BACKEND_REGION
  value: {{ . | quote }}
{{- end }}
- name: SEALGATE_BACKEND_PATH_STYLE
  value: {{ .values.store.pathStyle | quote }}
{{- with .values.store.credentials }}
{{- if .existingSecret }}
- name: SEALGATE_BACKEND_ACCESS_KEY_ID_FILE
  value: /run/secrets/sealgate-store/{{ .accessKeyIdKey }}
- name: SEALGATE_BACKEND_SECRET_ACCESS_KEY_FILE
  value: /run/secrets/sealgate-store/{{ .secretAccessKeyKey }}
{{- end }}
{{- end }}
{{- with .values.state }}
- name: SEALGATE_STATE
  value: {{ printf "%s%s" (required "state.bucket must be set: a bucket for Sealgate alone" .bucket) (.prefix | empty | ternary "" (printf "/%s" .prefix)) | quote }}
{{- end }}
- name: SEALGATE_SEAL_KEYS_FILE
  value: /run/secrets/sealgate/{{ .values.sealKeys.key }}
- name: SEALGATE_LEGACY
  value: {{ .values.legacy | quote }}
{{- with .values.hostnames }}
- name: SEALGATE_HOSTNAMES
  value: {{ join "," . | quote }}
{{- end }}
{{- range $name, $value := .values.settings }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "sealgate.image" -}}
{{- if .values.image.digest -}}
{{- printf "%s@%s" .values.image.repository .values.image.digest | quote -}}
{{- else -}}
{{- printf "%s:%s" .values.image.repository (default .chart.AppVersion .values.image.tag) | quote -}}
{{- end -}}
{{- end -}}

{{- define "sealgate.securityContext" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
readOnlyRootFilesystem: true
allowPrivilegeEscalation: false
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* Secrets that gateway and sidecar have in common, as volumes and as mounts. Files, so that a new value counts without a restart. */}}
{{- define "sealgate.volumes" -}}
- name: sealgate-seal-keys
  secret:
    secretName: {{ required "sealKeys.existingSecret must be set: a Secret with the file of seal keys" .Values.sealKeys.existingSecret }}
    items:
      - key: {{ .Values.sealKeys.key }}
        path: {{ .Values.sealKeys.key }}
    defaultMode: 0440
    optional: false
{{- with .Values.store.credentials }}
{{- if .existingSecret }}
- name: sealgate-store
  secret:
    secretName: {{ .existingSecret }}
    items:
      - key: {{ .accessKeyIdKey }}
        path: {{ .accessKeyIdKey }}
      - key: {{ .secretAccessKeyKey }}
        path: {{ .secretAccessKeyKey }}
    defaultMode: 0440
    optional: false
{{- end }}
{{- end }}
{{- end -}}

{{- define "sealgate.volumeMounts" -}}
- name: sealgate-seal-keys
  mountPath: /run/secrets/sealgate
  readOnly: true
{{- if .Values.store.credentials.existingSecret }}
- name: sealgate-store
  mountPath: /run/secrets/sealgate-store
  readOnly: true
{{- end }}
{{- end -}}
