// Package upstream runs kube-controller-manager's own HorizontalPodAutoscaler controller on scenarios, under a fake
// clock (testing/synctest), and writes down what it decided. Nothing of it is copied here: it is linked in.
package upstream

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"testing"
	"testing/synctest"
	"time"
	_ "unsafe" // for go:linkname

	autoscalingv1 "k8s.io/api/autoscaling/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/client-go/informers"
	autoscalingclient "k8s.io/client-go/kubernetes/typed/autoscaling/v2"
	v1core "k8s.io/client-go/kubernetes/typed/core/v1"
	scaleclient "k8s.io/client-go/scale"
	"k8s.io/klog/v2"
	autoscalingdefaults "k8s.io/kubernetes/pkg/apis/autoscaling/v2"
	"k8s.io/kubernetes/pkg/controller/podautoscaler"
	"k8s.io/kubernetes/pkg/controller/podautoscaler/metrics"
)

//go:linkname reconcile k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).reconcileAutoscaler
func reconcile(*podautoscaler.HorizontalController, context.Context, *autoscalingv2.HorizontalPodAutoscaler, string) error

//go:linkname enqueue k8s.io/kubernetes/pkg/controller/podautoscaler.(*HorizontalController).enqueueHPA
func enqueue(*podautoscaler.HorizontalController, any)

const (
	namespace = "ns"
	key       = namespace + "/hpa"
)

type scenario struct {
	HPA   autoscalingv2.HorizontalPodAutoscaler `json:"hpa"`
	Steps []step                                `json:"steps"`
}

type step struct {
	AtUs       int64    `json:"at_us"`
	Spec       int32    `json:"spec"`
	Status     int32    `json:"status"`
	Pods       []pod    `json:"pods"`
	Metrics    []metric `json:"metrics"`
	Unreadable bool     `json:"unreadable"`
	Unwritable bool     `json:"unwritable"`
}

type pod struct {
	Phase        v1.PodPhase        `json:"phase"`
	Ready        v1.ConditionStatus `json:"ready"` // empty: no condition
	TransitionUs int64              `json:"transition_us"`
	StartUs      *int64             `json:"start_us"`
	Deleted      bool               `json:"deleted"`
	RequestMilli []*int64           `json:"request_milli"` // per container; nil: none stated
}

type metric struct {
	Failed  bool           `json:"failed"`
	Values  []int64        `json:"values"`
	Samples map[int]sample `json:"samples"` // by the pod's number; numbers without a pod are strays
}

type sample struct {
	Milli    int64 `json:"milli"`
	AtUs     int64 `json:"at_us"`
	WindowUs int64 `json:"window_us"`
}

type outcome struct {
	Desired         *int32      `json:"desired"` // nil: not written
	Conditions      [][3]string `json:"conditions"`
	Recommendations []int64     `json:"recommendations"`
	ScaleUps        []int64     `json:"scale_ups"`
	ScaleDowns      []int64     `json:"scale_downs"`
	Error           string      `json:"error"`
}

// world is the cluster as the controller sees it: one step of one scenario.
type world struct {
	epoch   time.Time
	current step
	metrics []autoscalingv2.MetricSpec
	written *int32
}

func (w *world) at(us int64) time.Time { return w.epoch.Add(time.Duration(us) * time.Microsecond) }

func (w *world) find(matches func(autoscalingv2.MetricSpec) bool) metric {
	for i, spec := range w.metrics {
		if matches(spec) {
			return w.current.Metrics[i]
		}
	}
	panic("a metric that the scenario does not have")
}

func (w *world) podMetrics(m metric) (metrics.PodMetricsInfo, time.Time, error) {
	if m.Failed {
		return nil, time.Time{}, errors.New("not available")
	}
	info := metrics.PodMetricsInfo{}
	for number, s := range m.Samples {
		info[podName(number)] = metrics.PodMetric{
			Value: s.Milli, Timestamp: w.at(s.AtUs), Window: time.Duration(s.WindowUs) * time.Microsecond,
		}
	}
	return info, time.Time{}, nil
}

func (w *world) GetResourceMetric(_ context.Context, name v1.ResourceName, _ string, _ labels.Selector, container string) (metrics.PodMetricsInfo, time.Time, error) {
	return w.podMetrics(w.find(func(spec autoscalingv2.MetricSpec) bool {
		if container != "" {
			return spec.ContainerResource != nil && spec.ContainerResource.Name == name
		}
		return spec.Resource != nil && spec.Resource.Name == name
	}))
}

func (w *world) GetRawMetric(name string, _ string, _ labels.Selector, _ labels.Selector) (metrics.PodMetricsInfo, time.Time, error) {
	return w.podMetrics(w.find(func(spec autoscalingv2.MetricSpec) bool {
		return spec.Pods != nil && spec.Pods.Metric.Name == name
	}))
}

func (w *world) GetObjectMetric(name string, _ string, _ *autoscalingv2.CrossVersionObjectReference, _ labels.Selector) (int64, time.Time, error) {
	m := w.find(func(spec autoscalingv2.MetricSpec) bool { return spec.Object != nil && spec.Object.Metric.Name == name })
	if m.Failed {
		return 0, time.Time{}, errors.New("not available")
	}
	return m.Values[0], time.Time{}, nil
}

func (w *world) GetExternalMetric(name string, _ string, _ labels.Selector) ([]int64, time.Time, error) {
	m := w.find(func(spec autoscalingv2.MetricSpec) bool {
		return spec.External != nil && spec.External.Metric.Name == name
	})
	if m.Failed {
		return nil, time.Time{}, errors.New("not available")
	}
	return m.Values, time.Time{}, nil
}

type scales struct{ *world }

func (s scales) Scales(string) scaleclient.ScaleInterface {
	return scale{ScaleInterface: nil, world: s.world}
}

type scale struct {
	scaleclient.ScaleInterface
	world *world
}

func (s scale) Get(context.Context, schema.GroupResource, string, metav1.GetOptions) (*autoscalingv1.Scale, error) {
	if s.world.current.Unreadable {
		return nil, errors.New("not available")
	}
	return &autoscalingv1.Scale{
		Spec:   autoscalingv1.ScaleSpec{Replicas: s.world.current.Spec},
		Status: autoscalingv1.ScaleStatus{Replicas: s.world.current.Status, Selector: "app=worker"},
	}, nil
}

func (s scale) Update(_ context.Context, _ schema.GroupResource, updated *autoscalingv1.Scale, _ metav1.UpdateOptions) (*autoscalingv1.Scale, error) {
	if s.world.current.Unwritable {
		return nil, errors.New("not allowed")
	}
	replicas := updated.Spec.Replicas
	s.world.written = &replicas
	return updated, nil
}

type statuses struct {
	autoscalingclient.HorizontalPodAutoscalerInterface
	stored *autoscalingv2.HorizontalPodAutoscaler
}

func (s *statuses) HorizontalPodAutoscalers(string) autoscalingclient.HorizontalPodAutoscalerInterface {
	return s
}

func (s *statuses) UpdateStatus(_ context.Context, hpa *autoscalingv2.HorizontalPodAutoscaler, _ metav1.UpdateOptions) (*autoscalingv2.HorizontalPodAutoscaler, error) {
	s.stored = hpa.DeepCopy()
	return s.stored, nil
}

type events struct{ v1core.EventInterface }

func (events) Events(string) v1core.EventInterface { return events{} }

func (events) CreateWithEventNamespace(e *v1.Event) (*v1.Event, error) { return e, nil }

func (events) CreateWithEventNamespaceWithContext(_ context.Context, e *v1.Event) (*v1.Event, error) {
	return e, nil
}

func (events) PatchWithEventNamespace(e *v1.Event, _ []byte) (*v1.Event, error) { return e, nil }

func (events) PatchWithEventNamespaceWithContext(_ context.Context, e *v1.Event, _ []byte) (*v1.Event, error) {
	return e, nil
}

func podName(number int) string { return fmt.Sprintf("pod-%d", number) }

func (w *world) build(number int, p pod) *v1.Pod {
	built := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: podName(number), Namespace: namespace, Labels: map[string]string{"app": "worker"}},
		Status:     v1.PodStatus{Phase: p.Phase},
	}
	if p.Deleted {
		built.DeletionTimestamp = &metav1.Time{Time: w.epoch}
	}
	if p.StartUs != nil {
		built.Status.StartTime = &metav1.Time{Time: w.at(*p.StartUs)}
	}
	if p.Ready != "" {
		built.Status.Conditions = []v1.PodCondition{
			{Type: v1.PodReady, Status: p.Ready, LastTransitionTime: metav1.Time{Time: w.at(p.TransitionUs)}},
		}
	}
	for i, request := range p.RequestMilli {
		container := v1.Container{Name: fmt.Sprintf("container%d", i)}
		if request != nil {
			quantity := *resource.NewMilliQuantity(*request, resource.DecimalSI)
			container.Resources.Requests = v1.ResourceList{v1.ResourceCPU: quantity, v1.ResourceMemory: quantity}
		}
		built.Spec.Containers = append(built.Spec.Containers, container)
	}
	return built
}

func firstFields(controller *podautoscaler.HorizontalController, field string) []int64 {
	values := []int64{}
	list := reflect.ValueOf(controller).Elem().FieldByName(field).MapIndex(reflect.ValueOf(key))
	for i := 0; list.IsValid() && i < list.Len(); i++ {
		values = append(values, list.Index(i).Field(0).Int())
	}
	return values
}

func run(s scenario) []outcome {
	ctx, cancel := context.WithCancel(context.Background())
	w := &world{epoch: time.Now()}
	store := &statuses{}
	mapper := meta.NewDefaultRESTMapper([]schema.GroupVersion{{Group: "apps", Version: "v1"}})
	mapper.Add(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}, meta.RESTScopeNamespace)
	factory := informers.NewSharedInformerFactory(nil, 0)
	podInformer := factory.Core().V1().Pods()
	controller := podautoscaler.NewHorizontalController(
		ctx, events{}, scales{w}, store, mapper, w, factory.Autoscaling().V2().HorizontalPodAutoscalers(), podInformer,
		15*time.Second, 5*time.Minute, 0.1, 5*time.Minute, 30*time.Second,
	)
	// With a cancelled context it only shuts its queue down: the steps call the controller, not its workers.
	over, stop := context.WithCancel(ctx)
	stop()
	controller.Run(over, 0)
	hpa := s.HPA.DeepCopy()
	hpa.Name, hpa.Namespace = "hpa", namespace
	hpa.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "worker"}
	autoscalingdefaults.SetDefaults_HorizontalPodAutoscaler(hpa)
	w.metrics = hpa.Spec.Metrics
	store.stored = hpa
	enqueue(controller, hpa)

	outcomes := []outcome{}
	for _, now := range s.Steps {
		time.Sleep(time.Until(w.at(now.AtUs)))
		w.current, w.written = now, nil
		indexer := podInformer.Informer().GetIndexer()
		objects := []any{}
		for number, p := range now.Pods {
			objects = append(objects, w.build(number, p))
		}
		_ = indexer.Replace(objects, "")
		o := outcome{Conditions: [][3]string{}}
		if err := reconcile(controller, ctx, store.stored, key); err != nil {
			o.Error = err.Error()
		}
		o.Desired = w.written
		for _, c := range store.stored.Status.Conditions {
			o.Conditions = append(o.Conditions, [3]string{string(c.Type), string(c.Status), c.Reason})
		}
		o.Recommendations = firstFields(controller, "recommendations")
		o.ScaleUps = firstFields(controller, "scaleUpEvents")
		o.ScaleDowns = firstFields(controller, "scaleDownEvents")
		outcomes = append(outcomes, o)
	}
	cancel()
	return outcomes
}

// TestDecide reads scenarios, one JSON object a line, from $SCENARIOS and writes their outcomes to $OUTCOMES.
func TestDecide(t *testing.T) {
	input, err := os.Open(os.Getenv("SCENARIOS"))
	if err != nil {
		t.Fatal(err)
	}
	defer input.Close()
	output, err := os.Create(os.Getenv("OUTCOMES"))
	if err != nil {
		t.Fatal(err)
	}
	defer output.Close()
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	// One of the default handlers compares the fake clock, which starts in 2000, with the process's start, and sleeps.
	utilruntime.ErrorHandlers = nil
	if gates := os.Getenv("GATES"); gates != "" {
		if err := utilfeature.DefaultMutableFeatureGate.Set(gates); err != nil {
			t.Fatal(err)
		}
	}
	lines := bufio.NewScanner(input)
	lines.Buffer(nil, 1<<26)
	encoder := json.NewEncoder(output)
	for lines.Scan() {
		var s scenario
		if err := json.Unmarshal(lines.Bytes(), &s); err != nil {
			t.Fatal(err)
		}
		synctest.Test(t, func(*testing.T) {
			if err := encoder.Encode(run(s)); err != nil {
				t.Error(err)
			}
		})
	}
}
