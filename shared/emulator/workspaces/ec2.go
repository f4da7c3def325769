package workspaces

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"rollcall/shared/emulator/service"
)

type ec2Service struct{ *Emulator }

// Name is "ec2".
func (ec2Service) Name() string { return "ec2" }

// Operation is the Action and the first subnet asked for.
func (ec2Service) Operation(_ *http.Request, body []byte) (name, resource string) {
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return "", ""
	}
	return form.Get("Action"), form.Get("SubnetId.1")
}

// Refuse answers as EC2 does.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html
func (s ec2Service) Refuse(w http.ResponseWriter, _ *http.Request, why service.Refusal) {
	switch why {
	case service.Throttle:
		writeEC2Error(w, &refusal{status: 503, code: "RequestLimitExceeded", text: "Request limit exceeded."})
	case service.Deny:
		writeEC2Error(w, &refusal{status: 403, code: "UnauthorizedOperation", text: "You are not authorized to perform this operation."})
	case service.Unavailable:
		writeEC2Error(w, &refusal{status: 503, code: "Unavailable", text: "The server is overloaded and can't handle the request."})
	case service.ServerError:
		writeEC2Error(w, &refusal{status: 500, code: "InternalError", text: "An internal error has occurred."})
	default:
		drop()
	}
}

type ec2Tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

type subnetXML struct {
	SubnetID         string   `xml:"subnetId"`
	SubnetARN        string   `xml:"subnetArn"`
	State            string   `xml:"state"`
	OwnerID          string   `xml:"ownerId"`
	VPC              string   `xml:"vpcId"`
	CIDR             string   `xml:"cidrBlock"`
	Free             int      `xml:"availableIpAddressCount"`
	Zone             string   `xml:"availabilityZone"`
	DefaultForZone   bool     `xml:"defaultForAz"`
	PublicOnLaunch   bool     `xml:"mapPublicIpOnLaunch"`
	IPv6OnCreation   bool     `xml:"assignIpv6AddressOnCreation"`
	CustomerOwnedMap bool     `xml:"mapCustomerOwnedIpOnLaunch"`
	Tags             []ec2Tag `xml:"tagSet>item"`
}

type subnetsXML struct {
	XMLName   xml.Name    `xml:"http://ec2.amazonaws.com/doc/2016-11-15/ DescribeSubnetsResponse"`
	RequestID string      `xml:"requestId"`
	Subnets   []subnetXML `xml:"subnetSet>item"`
	NextToken string      `xml:"nextToken,omitempty"`
}

type ec2ErrorXML struct {
	XMLName   xml.Name `xml:"Response"`
	Code      string   `xml:"Errors>Error>Code"`
	Message   string   `xml:"Errors>Error>Message"`
	RequestID string   `xml:"RequestID"`
}

const noRequestID = "00000000-0000-0000-0000-000000000000"

func writeXML(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "text/xml;charset=UTF-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, xml.Header) // what fails here is the connection
	_ = xml.NewEncoder(w).Encode(body)
}

func writeEC2Error(w http.ResponseWriter, no *refusal) {
	writeXML(w, no.status, ec2ErrorXML{Code: no.code, Message: no.text, RequestID: noRequestID})
}

// ServeHTTP serves DescribeSubnets.
// https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DescribeSubnets.html
func (s ec2Service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		drop()
	}
	l, _ := s.laneOf(r)
	form, err := url.ParseQuery(string(body))
	var answer subnetsXML
	no := refuse("MalformedQueryString", "The query string contains a syntax error.")
	if err == nil {
		l.with(func(now time.Time) { answer, no = l.describeSubnets(form, now) })
	}
	if err := s.answerLate(r.Context(), l); err != nil {
		drop()
	}
	if no != nil {
		writeEC2Error(w, no)
		return
	}
	writeXML(w, 200, answer)
}

func (l *Lane) describeSubnets(form url.Values, now time.Time) (out subnetsXML, no *refusal) {
	out.RequestID = noRequestID
	if action := form.Get("Action"); action != "DescribeSubnets" {
		return out, refuse("InvalidAction", "The action %s is not valid for this web service.", action)
	}
	wanted := numbered(form, "SubnetId.")
	for _, id := range wanted {
		if !regexp.MustCompile(subnetPattern).MatchString(id) {
			return out, refuse("InvalidSubnetID.Malformed", "Invalid id: %q", id)
		}
		if l.subnet(id) == nil {
			return out, refuse("InvalidSubnetID.NotFound", "The subnet ID '%s' does not exist", id)
		}
	}
	filters, no := subnetFilters(form)
	if no != nil {
		return out, no
	}
	if form.Get("DryRun") == "true" {
		return out, &refusal{status: 412, code: "DryRunOperation", text: "Request would have succeeded, but DryRun flag is set."}
	}
	passes := func(s *subnet) bool { return anyOf(wanted, s.ID) && l.passes(s, filters) }
	found, next, no := l.subnetPage(form, passes, now)
	if no != nil {
		return out, no
	}
	for _, s := range found {
		out.Subnets = append(out.Subnets, l.subnetXML(s))
	}
	out.NextToken = next
	return out, nil
}

// subnetPage is all of them, unless MaxResults (5 to 1000, not together with ids) asks for pages.
func (l *Lane) subnetPage(form url.Values, passes func(*subnet) bool, now time.Time) ([]*subnet, string, *refusal) {
	all := slices.DeleteFunc(slices.Clone(l.subnets), func(s *subnet) bool { return !passes(s) })
	most := form.Get("MaxResults")
	if most == "" {
		return all, "", nil
	}
	n, err := strconv.Atoi(most)
	if err != nil || n < 5 || n > 1000 {
		return nil, "", refuse("InvalidParameterValue", "Value ( %s ) for parameter maxResults is invalid. Expecting a value between 5 and 1000.", most)
	}
	if form.Get("SubnetId.1") != "" {
		return nil, "", refuse("InvalidParameterCombination", "The parameter SubnetId cannot be used with the parameter MaxResults")
	}
	at, no := readToken(form.Get("NextToken"), "subnets", now)
	if no != nil {
		return nil, "", refuse("InvalidNextToken", "The token is invalid.")
	}
	left := slices.DeleteFunc(all, func(s *subnet) bool { return s.order <= at.After })
	if len(left) <= n {
		return left, "", nil
	}
	at.After, at.Issued = left[n-1].order, now.Unix()
	return left[:n], at.token(), nil
}

// numbered are the values of Name.1, Name.2, … in their order.
func numbered(form url.Values, prefix string) []string {
	var values []string
	for n := 1; form.Has(prefix + decimal(n)); n++ {
		values = append(values, form.Get(prefix+decimal(n)))
	}
	return values
}

func subnetFilters(form url.Values) ([]filter, *refusal) {
	known := []string{"subnet-id", "vpc-id", "availability-zone", "cidr-block", "owner-id", "state", "tag-key"}
	var filters []filter
	for n := 1; form.Has("Filter." + decimal(n) + ".Name"); n++ {
		f := filter{form.Get("Filter." + decimal(n) + ".Name"), numbered(form, "Filter."+decimal(n)+".Value.")}
		if !slices.Contains(known, f.Name) && !strings.HasPrefix(f.Name, "tag:") {
			return nil, refuse("InvalidParameterValue", "The filter '%s' is invalid", f.Name)
		}
		filters = append(filters, f)
	}
	return filters, nil
}

func (l *Lane) passes(s *subnet, filters []filter) bool {
	for _, f := range filters {
		has := map[string]string{
			"subnet-id": s.ID, "vpc-id": s.VPC, "availability-zone": s.Zone, "cidr-block": s.net.String(),
			"owner-id": l.ID.Account, "state": "available",
		}[f.Name]
		if key, ok := strings.CutPrefix(f.Name, "tag:"); ok {
			has = s.Tags[key]
		}
		ok := slices.Contains(f.Values, has)
		if f.Name == "tag-key" {
			ok = slices.ContainsFunc(f.Values, func(key string) bool { _, there := s.Tags[key]; return there })
		}
		if !ok {
			return false
		}
	}
	return true
}

func (l *Lane) subnetXML(s *subnet) subnetXML {
	x := subnetXML{
		SubnetID: s.ID, SubnetARN: "arn:aws:ec2:" + l.ID.Region + ":" + l.ID.Account + ":subnet/" + s.ID, State: "available",
		OwnerID: l.ID.Account, VPC: s.VPC, CIDR: s.net.String(), Free: s.free(), Zone: s.Zone,
	}
	for key, value := range s.Tags {
		x.Tags = append(x.Tags, ec2Tag{key, value})
	}
	slices.SortFunc(x.Tags, func(a, b ec2Tag) int { return strings.Compare(a.Key, b.Key) })
	return x
}
