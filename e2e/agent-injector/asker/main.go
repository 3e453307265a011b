// Asker gives pods to the Agent Injector's own handler, as the API server would, and writes what becomes of them.
//
// ../src/injector.rs says what it reads and writes.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"

	jsonpatch "github.com/evanphx/json-patch"
	"github.com/hashicorp/go-hclog"
	inject "github.com/hashicorp/vault-k8s/agent-inject"
	"github.com/hashicorp/vault-k8s/agent-inject/agent"
)

type question struct {
	Pod       json.RawMessage `json:"pod"`
	Namespace string          `json:"namespace"`
}

type answer struct {
	Allowed bool            `json:"allowed"`
	Message string          `json:"message,omitempty"`
	Pod     json.RawMessage `json:"pod,omitempty"`
}

// review is what the handler writes, as far as it is used.
type review struct {
	Response struct {
		Allowed bool   `json:"allowed"`
		Patch   []byte `json:"patch"`
		Status  struct {
			Message string `json:"message"`
		} `json:"status"`
	} `json:"response"`
}

func main() {
	output := bufio.NewWriter(os.Stdout)
	err := askAll(json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(output))
	if err := errors.Join(err, output.Flush()); err != nil {
		fmt.Fprintln(os.Stderr, "asker:", err)
		os.Exit(1)
	}
}

func askAll(questions *json.Decoder, answers *json.Encoder) error {
	handler := newHandler()
	for {
		var asked question
		if err := questions.Decode(&asked); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		given, err := ask(handler, asked)
		if err != nil {
			return err
		}
		if err := answers.Encode(given); err != nil {
			return err
		}
	}
}

// newHandler has what the Agent Injector's flags have without a value.
func newHandler() *inject.Handler {
	return &inject.Handler{
		RequireAnnotation:  true,
		VaultAddress:       "https://vault:8200",
		VaultAuthType:      agent.DefaultVaultAuthType,
		VaultAuthPath:      agent.DefaultVaultAuthPath,
		ImageVault:         agent.DefaultVaultImage,
		Log:                hclog.NewNullLogger(),
		UserID:             "100",
		GroupID:            "1000",
		SameID:             agent.DefaultAgentRunAsSameUser,
		SetSecurityContext: agent.DefaultAgentSetSecurityContext,
		DefaultTemplate:    agent.DefaultTemplateType,
		ResourceRequestCPU: agent.DefaultResourceRequestCPU,
		ResourceRequestMem: agent.DefaultResourceRequestMem,
		ResourceLimitCPU:   agent.DefaultResourceLimitCPU,
		ResourceLimitMem:   agent.DefaultResourceLimitMem,
		ExitOnRetryFailure: agent.DefaultTemplateConfigExitOnRetryFailure,
	}
}

func ask(handler *inject.Handler, asked question) (answer, error) {
	body, err := json.Marshal(map[string]any{
		"apiVersion": "admission.k8s.io/v1",
		"kind":       "AdmissionReview",
		"request": map[string]any{
			"uid":       "asker",
			"kind":      map[string]string{"group": "", "version": "v1", "kind": "Pod"},
			"operation": "CREATE",
			"namespace": asked.Namespace,
			"object":    asked.Pod,
		},
	})
	if err != nil {
		return answer{}, err
	}
	request := httptest.NewRequest(http.MethodPost, "/mutate", bytes.NewReader(body))
	request.Header.Set("Content-Type", "application/json")
	recorder := httptest.NewRecorder()
	handler.Handle(recorder, request)

	var reviewed review
	if err := json.Unmarshal(recorder.Body.Bytes(), &reviewed); err != nil {
		return answer{}, fmt.Errorf("%w: %s", err, recorder.Body)
	}
	response := reviewed.Response
	given := answer{Allowed: response.Allowed, Message: response.Status.Message}
	if !response.Allowed || len(response.Patch) == 0 {
		return given, nil
	}
	patch, err := jsonpatch.DecodePatch(response.Patch)
	if err != nil {
		return answer{}, err
	}
	given.Pod, err = patch.Apply(asked.Pod)
	return given, err
}
