{{/* How things are called. */}}
{{- define "metallb.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "metallb.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "metallb.controllerName" -}}
{{- include "metallb.fullname" . }}-controller
{{- end -}}

{{- define "metallb.speakerName" -}}
{{- include "metallb.fullname" . }}-speaker
{{- end -}}

{{- define "metallb.secretName" -}}
{{- default (printf "%s-memberlist" (include "metallb.fullname" .)) .Values.speaker.secretName | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The ServiceAccount of a component: (list . "controller"). */}}
{{- define "metallb.account" -}}
{{- $root := first . -}}
{{- $component := last . -}}
{{- $account := (get $root.Values $component).serviceAccount -}}
{{- $own := printf "%s-%s" (include "metallb.fullname" $root) $component -}}
{{- default (ternary $own "default" $account.create) $account.name -}}
{{- end -}}

{{/* Labels of every object. */}}
{{- define "metallb.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/name: {{ include "metallb.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{/* What selects the pods of a component; it can never change: (list . "controller"). */}}
{{- define "metallb.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ include "metallb.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{/*
The image of a component: (list . "controller"). A values.yaml that repeats the default of MetalLB's own chart means the
program that belongs to the chart.
*/}}
{{- define "metallb.image" -}}
{{- $root := first . -}}
{{- $component := last . -}}
{{- $image := (get $root.Values $component).image -}}
{{- $own := printf "%s/%s" (include "metallb.generated.registry" $root) $component -}}
{{- if eq (default "" $image.repository) (printf "quay.io/metallb/%s" $component) -}}
{{- printf "%s:%s" $own $root.Chart.AppVersion -}}
{{- else -}}
{{- printf "%s:%s" (default $own $image.repository) (default $root.Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Arguments that both programs understand: (list . "controller"). */}}
{{- define "metallb.arguments" -}}
{{- $root := first . -}}
{{- $values := get $root.Values (last .) -}}
- --health-probe-port={{ $values.livenessProbe.port }}
- --port={{ $root.Values.prometheus.metricsPort }}
- --log-level={{ $values.logLevel }}
{{- with $root.Values.loadBalancerClass }}
- --lb-class={{ . }}
{{- end }}
{{- end -}}

{{/* Arguments about TLS: (list . "the Secret of the metrics"). */}}
{{- define "metallb.tls" -}}
{{- $tls := (first .).Values.tls -}}
{{- with $tls.minVersion }}
- --tls-min-version={{ . }}
{{- end }}
{{- with $tls.cipherSuites }}
- --tls-cipher-suites={{ . }}
{{- end }}
{{- with $tls.curvePreferences }}
- --tls-curve-preferences={{ . }}
{{- end }}
{{- if last . }}
- --metrics-cert-dir=/etc/metrics
{{- end }}
{{- end -}}

{{/* A probe: (list "/healthz" values "127.0.0.1"). */}}
{{- define "metallb.probe" -}}
{{- $probe := index . 1 -}}
httpGet:
  {{- with index . 2 }}
  host: {{ . }}
  {{- end }}
  path: {{ first . }}
  port: {{ $probe.port }}
{{- with $probe.initialDelaySeconds }}
initialDelaySeconds: {{ . }}
{{- end }}
periodSeconds: {{ $probe.periodSeconds }}
timeoutSeconds: {{ $probe.timeoutSeconds }}
{{- if gt (int $probe.successThreshold) 1 }}
successThreshold: {{ $probe.successThreshold }}
{{- end }}
failureThreshold: {{ $probe.failureThreshold }}
{{- end -}}

{{/* Annotations of the pods of a component: (list . "controller"). */}}
{{- define "metallb.podAnnotations" -}}
{{- $root := first . -}}
{{- if $root.Values.prometheus.scrapeAnnotations }}
prometheus.io/scrape: "true"
prometheus.io/scheme: https
prometheus.io/port: {{ $root.Values.prometheus.metricsPort | quote }}
{{- end }}
{{- with (get $root.Values (last .)).podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Where the pods of a component run: (list . "controller"). */}}
{{- define "metallb.placement" -}}
{{- $values := get (first .).Values (last .) -}}
nodeSelector:
  kubernetes.io/os: linux
  {{- with $values.nodeSelector }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- end -}}

{{/* How an endpoint is scraped: (list monitor tlsConfig). */}}
{{- define "metallb.scraping" -}}
{{- $monitor := first . -}}
{{- with $monitor.interval }}
interval: {{ . }}
{{- end }}
{{- with last . }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $monitor.metricRelabelings }}
metricRelabelings:
{{ toYaml . }}
{{- end }}
{{- with $monitor.relabelings }}
relabelings:
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of an alert. */}}
{{- define "metallb.severity" -}}
{{- with .labels }}
labels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The pools an alert is about. */}}
{{- define "metallb.pools" -}}
{{- with .excludePools -}}
{pool!~{{ . | quote }}}
{{- end -}}
{{- end -}}
