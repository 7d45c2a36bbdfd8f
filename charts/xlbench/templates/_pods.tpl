{{/* How the store is reached, from the operator and from Jobs alike: a map of variables. */}}
{{- define "xlbench.environment" -}}
{{- $store := .Values.store -}}
{{- $proxy := .Values.proxy -}}
{{- $said := dict
  "AWS_ENDPOINT_URL" $store.endpoint
  "AWS_REGION" $store.region
  "XLBENCH_S3_ADDRESSING" (ternary "" $store.addressing (eq $store.addressing "auto"))
  "HTTP_PROXY" $proxy.http
  "HTTPS_PROXY" $proxy.https
-}}
{{- if or $proxy.http $proxy.https -}}
{{- $direct := list $proxy.none "127.0.0.1" "$(KUBERNETES_SERVICE_HOST)" | compact -}}
{{- $_ := set $said "NO_PROXY" (join "," $direct) -}}
{{- end -}}
{{- if .Values.privateCA.configMap -}}
{{- range $name := list "AWS_CA_BUNDLE" "REQUESTS_CA_BUNDLE" "SSL_CERT_FILE" -}}
{{- $_ := set $said $name (printf "/etc/xlbench/ca/%s" $.Values.privateCA.key) -}}
{{- end -}}
{{- end -}}
{{- $environment := deepCopy $store.env -}}
{{- range $name, $value := $said -}}
{{- if $value -}}
{{- $_ := set $environment $name $value -}}
{{- end -}}
{{- end -}}
{{- toYaml $environment -}}
{{- end -}}

{{/* The same for volumes and Secrets, in the words of spec.execution.pod: volumes, envFrom. */}}
{{- define "xlbench.attached" -}}
{{- $volumes := list -}}
{{- if hasPrefix "file://" .Values.store.address -}}
{{- $claim := required "store.claim: needed, as store.address is a folder" .Values.store.claim -}}
{{- $folder := trimPrefix "file://" .Values.store.address | trimSuffix "/" -}}
{{- $volumes = append $volumes (dict "name" "store" "mountPath" $folder "claim" $claim) -}}
{{- else if .Values.store.claim -}}
{{- fail (printf "store.claim = %q: only with a store.address of file:///folder" .Values.store.claim) -}}
{{- end -}}
{{- with .Values.privateCA.configMap -}}
{{- $volumes = append $volumes (dict "name" "ca" "mountPath" "/etc/xlbench/ca" "configMap" . "readOnly" true) -}}
{{- end -}}
{{- $envFrom := list -}}
{{- with .Values.store.secret -}}
{{- $envFrom = append $envFrom (dict "secret" .) -}}
{{- end -}}
{{- toYaml (dict "volumes" $volumes "envFrom" $envFrom) -}}
{{- end -}}

{{/*
Fails where two volumes have one name or one place, or one lies over what every pod has of its own.
Called with the attached volumes and those of jobs.
*/}}
{{- define "xlbench.checkVolumes" -}}
{{- $fields := dict "store" "store.address" "ca" "privateCA.configMap" -}}
{{- $places := list -}}
{{- range .attached -}}
{{- $places = append $places (dict "field" (get $fields .name) "name" .name "path" (clean .mountPath)) -}}
{{- end -}}
{{- range $number, $volume := .jobs -}}
{{- $field := printf "jobs.volumes[%d]" $number -}}
{{- $places = append $places (dict "field" $field "name" $volume.name "path" (clean $volume.mountPath)) -}}
{{- end -}}
{{- $names := dict -}}
{{- $paths := dict -}}
{{- range $places -}}
{{- if has .path (list "/" "/tmp" "/dev/shm") -}}
{{- fail (printf "%s: mounted at %q; every pod has its own there, so name another folder" .field .path) -}}
{{- else if hasKey $names .name -}}
{{- fail (printf "%s: named %q, as is %s; give it another name" .field .name (get $names .name)) -}}
{{- else if hasKey $paths .path -}}
{{- fail (printf "%s: mounted at %q, as is %s; name another folder" .field .path (get $paths .path)) -}}
{{- end -}}
{{- $_ := set $names .name .field -}}
{{- $_ := set $paths .path .field -}}
{{- end -}}
{{- end -}}

{{/* What the pods of all Jobs have, as JSON in the words of spec.execution.pod. */}}
{{- define "xlbench.jobs" -}}
{{- $attached := include "xlbench.attached" . | fromYaml -}}
{{- $asked := .Values.jobs -}}
{{- include "xlbench.checkVolumes" (dict "attached" $attached.volumes "jobs" $asked.volumes) -}}
{{- $environment := include "xlbench.environment" . | fromYaml -}}
{{- range $asked.env -}}
{{- $_ := set $environment .name .value -}}
{{- end -}}
{{- $env := list -}}
{{- range $name, $value := $environment -}}
{{- $env = append $env (dict "name" $name "value" $value) -}}
{{- end -}}
{{- $pods := merge (dict
  "env" $env
  "envFrom" (concat $attached.envFrom ($asked.envFrom | default list))
  "volumes" (concat $attached.volumes ($asked.volumes | default list))
  "imagePullSecrets" (concat .Values.images.pullSecrets ($asked.imagePullSecrets | default list) | uniq)
) $asked -}}
{{- range $name, $value := $pods -}}
{{- if not $value -}}
{{- $pods = omit $pods $name -}}
{{- end -}}
{{- end -}}
{{/* The operator must not expand $(VARIABLE): that is for the pods. */}}
{{- toJson $pods | replace "$(" "$$(" -}}
{{- end -}}
