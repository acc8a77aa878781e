// Package manifests checks the files that a cluster or a CI service reads, by the types and the
// linter that are made for them.
package manifests

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rhysd/actionlint"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// scaledObject is what the manifests use of KEDA's, with the names and types of its v2.21.0. Its
// own package would bring 800 others, a client of Kubernetes among them, for minutes of compiling.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
			Name       string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		Triggers        []struct {
			Type       string            `json:"type"`
			MetricType string            `json:"metricType"`
			Metadata   map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// kinds make an object of each kind that the manifests may hold.
var kinds = map[string]func() any{
	"apps/v1 Deployment":                 func() any { return new(appsv1.Deployment) },
	"apps/v1 StatefulSet":                func() any { return new(appsv1.StatefulSet) },
	"batch/v1 Job":                       func() any { return new(batchv1.Job) },
	"keda.sh/v1alpha1 ScaledObject":      func() any { return new(scaledObject) },
	"networking.k8s.io/v1 NetworkPolicy": func() any { return new(networkingv1.NetworkPolicy) },
	"policy/v1 PodDisruptionBudget":      func() any { return new(policyv1.PodDisruptionBudget) },
	"v1 ConfigMap":                       func() any { return new(corev1.ConfigMap) },
	"v1 PersistentVolumeClaim":           func() any { return new(corev1.PersistentVolumeClaim) },
	"v1 Service":                         func() any { return new(corev1.Service) },
}

// objects are those of a manifest, each decoded strictly.
func objects(file string, data []byte) (found []any, err error) {
	for i, document := range regexp.MustCompile(`(?m)^---$`).Split(string(data), -1) {
		var is metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &is); err != nil {
			return nil, fmt.Errorf("%s, object %d: %w", file, i+1, err)
		}
		kind, ok := kinds[is.APIVersion+" "+is.Kind]
		if !ok {
			return nil, fmt.Errorf(
				"%s, object %d: unknown kind %q",
				file,
				i+1,
				is.APIVersion+" "+is.Kind,
			)
		}
		object := kind()
		if err := yaml.UnmarshalStrict([]byte(document), object); err != nil {
			return nil, fmt.Errorf("%s, object %d, %s: %w", file, i+1, is.Kind, err)
		}
		found = append(found, object)
	}
	return found, nil
}

// all are the objects of a type in a manifest.
func all[T any](t *testing.T, file string) (found []*T) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	list, err := objects(file, data)
	if err != nil {
		t.Fatal(err)
	}
	for _, object := range list {
		if one, ok := object.(*T); ok {
			found = append(found, one)
		}
	}
	if len(found) == 0 {
		t.Fatalf("%s has no %T", file, *new(T))
	}
	return found
}

func TestManifestsAreWhatTheirTypesSay(t *testing.T) {
	files, err := filepath.Glob("../*/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%q, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := objects(file, data); err != nil {
			t.Error(err)
		}
		wrong := bytes.Replace(data, []byte("\nspec:"), []byte("\nspecs:"), 1)
		if _, err := objects(file, wrong); err == nil || !strings.Contains(err.Error(), "specs") {
			t.Errorf("%s: a field that does not exist is not found: %v", file, err)
		}
	}
}

func TestManifestsExitsOfTheCampaign(t *testing.T) {
	job := all[batchv1.Job](t, "../campaign/job.yaml")[0].Spec
	if job.PodFailurePolicy == nil || job.BackoffLimitPerIndex == nil ||
		job.CompletionMode == nil || *job.CompletionMode != batchv1.IndexedCompletion {
		t.Fatalf("the Job is %+v", job)
	}
	does := map[int32]batchv1.PodFailurePolicyAction{}
	disrupted := false
	for _, rule := range job.PodFailurePolicy.Rules {
		for _, condition := range rule.OnPodConditions {
			disrupted = disrupted || condition.Type == corev1.DisruptionTarget &&
				rule.Action == batchv1.PodFailurePolicyActionIgnore
		}
		if on := rule.OnExitCodes; on != nil &&
			on.Operator == batchv1.PodFailurePolicyOnExitCodesOpIn {
			for _, code := range on.Values {
				does[code] = rule.Action
			}
		}
	}
	if !disrupted || does[1] != batchv1.PodFailurePolicyActionFailIndex ||
		does[2] != batchv1.PodFailurePolicyActionFailJob {
		t.Errorf("an eviction is ignored: %v; exits: %v", disrupted, does)
	}
}

const fleet = "../fleet/kubernetes.yaml"

// Whatever KEDA scales to has a line in the balancer's configuration, and time to drain.
func TestManifestsOfTheFleetFitTogether(t *testing.T) {
	set := all[appsv1.StatefulSet](t, fleet)[0]
	scale := all[scaledObject](t, fleet)[0].Spec
	config := all[corev1.ConfigMap](t, fleet)[0].Data["haproxy.cfg"]
	lines := regexp.MustCompile(`(?m)^ +server (\S+) (\S+):8080 id (\d+)$`).
		FindAllStringSubmatch(config, -1)
	if len(lines) != 2*int(scale.MaxReplicaCount) {
		t.Errorf(
			"%d server lines in two backends for %d servers",
			len(lines),
			scale.MaxReplicaCount,
		)
	}
	for i, line := range lines {
		n := i % int(scale.MaxReplicaCount)
		name := fmt.Sprintf("%s-%d", set.Name, n)
		if line[1] != name || line[2] != name+"."+set.Spec.ServiceName ||
			line[3] != fmt.Sprint(n+1) {
			t.Errorf("the line of server %d is %q", n, line[0])
		}
	}
	if scale.ScaleTargetRef.Kind != set.Kind || scale.ScaleTargetRef.Name != set.Name ||
		scale.MinReplicaCount > *set.Spec.Replicas || scale.MaxReplicaCount < *set.Spec.Replicas {
		t.Errorf("KEDA scales %+v, and there is %s with %d", scale, set.Name, *set.Spec.Replicas)
	}
	pod := set.Spec.Template.Spec
	drain := time.Duration(0)
	for _, name := range []string{"-timeout=", "-notice="} {
		i := slices.IndexFunc(
			pod.Containers[0].Args,
			func(arg string) bool { return strings.HasPrefix(arg, name) },
		)
		if i < 0 {
			t.Fatalf("no %s", name)
		}
		d, err := time.ParseDuration(strings.TrimPrefix(pod.Containers[0].Args[i], name))
		if err != nil {
			t.Fatal(err)
		}
		drain += d
	}
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < drain+
		10*time.Second {
		t.Errorf("it is killed after %v, and drains for %v", grace, drain)
	}
}

// directives are the lines of a configuration of HAProxy by section, without comments and without
// what is of one place: addresses, servers, and the file of the map.
func directives(config string) map[string][]string {
	found, section := map[string][]string{}, ""
	local := regexp.MustCompile(`^(server|bind|stats socket) `)
	file := regexp.MustCompile(`map_str\(.*\)`)
	for line := range strings.Lines(config) {
		line = regexp.MustCompile(`\s+#.*|^#.*`).ReplaceAllString(strings.TrimRight(line, "\n"), "")
		words := strings.Join(strings.Fields(line), " ")
		if words == "" {
			continue
		}
		if !strings.HasPrefix(line, " ") {
			section = words
			continue
		}
		if !local.MatchString(words) {
			words = file.ReplaceAllString(words, "map_str(FILE)")
			found[section] = append(found[section], words)
		}
	}
	return found
}

// The configuration on Kubernetes is that of one machine, whose comments explain it. More than that
// it has only how pods are found.
func TestManifestsBalancerIsThatOfOneMachine(t *testing.T) {
	one, err := os.ReadFile("../fleet/haproxy.cfg")
	if err != nil {
		t.Fatal(err)
	}
	pods := strings.NewReplacer(" resolvers kubernetes init-addr none", "", " agent-port 9101", "")
	there := directives(pods.Replace(all[corev1.ConfigMap](t, fleet)[0].Data["haproxy.cfg"]))
	delete(there, "resolvers kubernetes")
	here := directives(string(one))
	if len(here) != 5 || len(here["defaults"]) < 10 {
		t.Errorf("of one machine: %q", here)
	}
	for section := range here {
		if !slices.Equal(here[section], there[section]) {
			t.Errorf("%s:\n%q\non Kubernetes\n%q", section, here[section], there[section])
		}
	}
	if len(there) != len(here) {
		t.Errorf("sections on Kubernetes: %q", there)
	}
}

func TestManifestsConfigurationIsOneForHAProxy(t *testing.T) {
	folder := t.TempDir()
	for name, text := range all[corev1.ConfigMap](t, fleet)[0].Data {
		text = strings.ReplaceAll(text, "/etc/haproxy", folder)
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := exec.Command("haproxy", "-c", "-f", filepath.Join(folder, "haproxy.cfg"))
	if said, err := check.CombinedOutput(); err != nil {
		t.Errorf("%v (apt-get install haproxy): %s", err, said)
	}
}

func TestManifestsWorkflowsAreWhatActionlintSays(t *testing.T) {
	files, err := filepath.Glob("../../.github/workflows/*.yml")
	if err != nil || len(files) < 2 {
		t.Fatalf("%q, %v", files, err)
	}
	linter, err := actionlint.NewLinter(io.Discard, &actionlint.LinterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	lint := func(name string, text []byte) []*actionlint.Error {
		found, err := linter.Lint(name, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	for _, file := range append(files, "../campaign/campaign.yml") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range lint(file, text) {
			t.Error(found)
		}
		wrong := bytes.Replace(text, []byte("runs-on:"), []byte("run-on:"), 1)
		if len(lint(file, wrong)) == 0 {
			t.Errorf("%s: a key that does not exist is not found", file)
		}
	}
}
