{{/*
Sealgate as a sidecar of your own pods: a native sidecar container (an init container that goes on running), and the volumes it
needs. In your chart, with this one as a dependency whose gateway is not enabled:

  spec:
    securityContext:
      fsGroup: 1000
    initContainers:
      {{- include "sealgate.sidecar" (dict "Values" .Values.sealgate "Chart" .Subcharts.sealgate.Chart) | nindent 6 }}
    volumes:
      {{- include "sealgate.sidecarVolumes" (dict "Values" .Values.sealgate) | nindent 6 }}

The application then speaks S3 to http://127.0.0.1:8080. Whoever can read the pod's Secrets has the seal key: docs/kubernetes.md.
*/}}
{{- define "sealgate.sidecar" -}}
- name: sealgate
  restartPolicy: Always
  image: {{ include "sealgate.image" (dict "values" .Values "chart" .Chart) }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  env:
    {{- include "sealgate.environment" (dict "values" .Values "listen" "127.0.0.1:8080") | nindent 4 }}
    - name: SEALGATE_WORKERS
      value: "1"
  ports:
    - name: sealgate-ops
      containerPort: 8081
  startupProbe:
    httpGet:
      path: /readyz
      port: sealgate-ops
    periodSeconds: 2
    timeoutSeconds: 6
    failureThreshold: 60
  livenessProbe:
    httpGet:
      path: /healthz
      port: sealgate-ops
    timeoutSeconds: 6
  resources:
    {{- toYaml .Values.resources | nindent 4 }}
  securityContext:
    {{- include "sealgate.securityContext" . | nindent 4 }}
  volumeMounts:
    {{- include "sealgate.volumeMounts" . | nindent 4 }}
{{- end -}}

{{- define "sealgate.sidecarVolumes" -}}
{{ include "sealgate.volumes" . }}
{{- end -}}
