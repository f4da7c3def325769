package workspaces

import (
	"encoding/json"
	"io"
	"net/http"

	"rollcall/shared/desktop"
	"rollcall/shared/emulator/service"
)

// WorkSpacesQuota is the code of the number of WorkSpaces in an account and Region. Its default is 1.
const WorkSpacesQuota = "L-34278094"

// quota is a quota of WorkSpaces in Service Quotas; compute is the compute type whose WorkSpaces it counts.
type quota struct {
	name       string
	value      float64
	adjustable bool
	compute    string
}

// quotaTable are the quotas by code, with AWS's defaults.
// https://docs.aws.amazon.com/workspaces/latest/adminguide/workspaces-limits.html
func quotaTable() map[string]quota {
	return map[string]quota{
		WorkSpacesQuota: {"WorkSpaces", 1, true, ""},
		"L-465DA8AF":    {"GeneralPurpose.4xlarge WorkSpaces", 1, true, "GENERALPURPOSE_4XLARGE"},
		"L-C266A5F4":    {"GeneralPurpose.8xlarge WorkSpaces", 1, true, "GENERALPURPOSE_8XLARGE"},
		"L-9A67B5CB":    {"Standby WorkSpaces", 5, true, ""},
		"L-BCACAEBC":    {"Graphics.g4dn WorkSpaces", 0, true, "GRAPHICS_G4DN"},
		"L-BE9A8466":    {"GraphicsPro.g4dn WorkSpaces", 0, true, "GRAPHICSPRO_G4DN"},
		"L-254B485B":    {"GraphicsPro WorkSpaces", 0, true, "GRAPHICSPRO"},
		"L-EEB759DE":    {"Directories", 50, false, ""},
		"L-843E43DA":    {"Bundles", 50, false, ""},
		"L-18CE281C":    {"Images", 40, true, ""},
		"L-0798A2C9":    {"Connection aliases", 20, false, ""},
		"L-0E312A12":    {"IP access control groups", 100, false, ""},
	}
}

// quotaOf is the applied value of a quota.
func (l *Lane) quotaOf(code string) float64 {
	if v, ok := l.quotas[code]; ok {
		return v
	}
	return quotaTable()[code].value
}

// counts reports whether a WorkSpace counts against the quota.
func (l *Lane) counts(d *desk) bool {
	switch {
	case !d.Gone.IsZero():
		return false
	case d.State == desktop.Errored:
		return !l.knobs.QuotaSkipsErrored
	case d.State.Leaving():
		return !l.knobs.QuotaSkipsTerminating
	}
	return true
}

// room is how many more WorkSpaces there may be, in all and of each compute type that has a quota of its own.
type room struct {
	all int
	own map[string]int
}

// room counts what is there, once for a call.
func (l *Lane) room() room {
	r := room{all: int(l.quotaOf(WorkSpacesQuota)), own: map[string]int{}}
	for code, q := range quotaTable() {
		if q.compute != "" {
			r.own[q.compute] = int(l.quotaOf(code))
		}
	}
	for _, d := range l.desks {
		if l.counts(d) {
			r.all--
			if _, limited := r.own[d.Compute]; limited {
				r.own[d.Compute]--
			}
		}
	}
	return r
}

// take takes the place of one more WorkSpace, if there is one.
func (r *room) take(compute string) bool {
	own, limited := r.own[compute]
	if r.all < 1 || (limited && own < 1) {
		return false
	}
	r.all--
	if limited {
		r.own[compute]--
	}
	return true
}

// overQuota reports whether a batch, without the items that fail by themselves, is more than the quota allows.
func (l *Lane) overQuota(in createRequest) bool {
	r, seen := l.room(), map[string]bool{}
	for _, item := range in.Workspaces {
		key := nameKey(item.DirectoryId, item.UserName)
		if l.wrongItem(item) != nil || (seen[key] && item.UserName != Undefined && !l.knobs.TwinsAllowed) {
			continue
		}
		seen[key] = true
		if !r.take(l.computeOf(item)) {
			return true
		}
	}
	return false
}

type quotasService struct{ *Emulator }

// Name is "servicequotas".
func (quotasService) Name() string { return "servicequotas" }

type quotaRequest struct{ ServiceCode, QuotaCode string }

// Operation is the name after the dot of X-Amz-Target, and the quota's code.
func (quotasService) Operation(r *http.Request, body []byte) (name, resource string) {
	var in quotaRequest
	_ = json.Unmarshal(body, &in) // a malformed body has no resource
	return shortName(r.Header.Get("X-Amz-Target")), in.QuotaCode
}

// Refuse answers as Service Quotas does.
func (s quotasService) Refuse(w http.ResponseWriter, r *http.Request, why service.Refusal) {
	name, _ := s.Operation(r, nil)
	no := refusalOf(why, "servicequotas:"+name, "TooManyRequestsException")
	if why == service.ServerError {
		no.code = "ServiceException"
	}
	writeRefusal(w, no, "Message")
}

type quotaWire struct {
	ServiceCode, ServiceName, QuotaArn, QuotaCode, QuotaName string
	Value                                                    float64
	Unit                                                     string
	Adjustable, GlobalQuota                                  bool
	QuotaAppliedAtLevel                                      string
}

type quotaAnswer struct{ Quota quotaWire }

// ServeHTTP serves GetServiceQuota for the service code "workspaces".
// https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
func (s quotasService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		drop()
	}
	l, _ := s.laneOf(r)
	answer, no := l.getQuota(r.Header.Get("X-Amz-Target"), body)
	if err := s.answerLate(r.Context(), l); err != nil {
		drop()
	}
	if no != nil {
		writeRefusal(w, no, "Message")
		return
	}
	writeJSON(w, 200, answer)
}

func (l *Lane) getQuota(target string, body []byte) (out quotaAnswer, no *refusal) {
	if target != "ServiceQuotasV20190624.GetServiceQuota" {
		return out, refuse(unknownCall, "The operation %q is not emulated.", target)
	}
	if no := validate(body, quotaShape()); no != nil {
		return out, no
	}
	var in quotaRequest
	if err := json.Unmarshal(body, &in); err != nil {
		return out, refuse(serialization, "The request body is not what the operation takes.")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	q, ok := quotaTable()[in.QuotaCode]
	if in.ServiceCode != "workspaces" || !ok {
		return out, refuse("NoSuchResourceException", "The request failed because the specified quota does not exist.")
	}
	out.Quota = quotaWire{
		ServiceCode: "workspaces", ServiceName: "Amazon WorkSpaces", QuotaCode: in.QuotaCode, QuotaName: q.name,
		QuotaArn: "arn:aws:servicequotas:" + l.ID.Region + ":" + l.ID.Account + ":workspaces/" + in.QuotaCode,
		Value:    l.quotaOf(in.QuotaCode), Unit: "None", Adjustable: q.adjustable, QuotaAppliedAtLevel: "ACCOUNT",
	}
	return out, nil
}
