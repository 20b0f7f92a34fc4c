package awsemu

import (
	"encoding/xml"
	"net/url"
)

type blueGreenXML struct {
	BlueGreenDeploymentIdentifier, BlueGreenDeploymentName, Source, Target, Status string
	Switchover                                                                     []switchoverXML `xml:"SwitchoverDetails>member"`
}

type switchoverXML struct{ SourceMember, TargetMember, Status string }

// describeBlueGreen lists deployments. Each pair of names is one of ARNs; the first is that
// of the environments themselves.
//
// Source: Amazon RDS API reference, DescribeBlueGreenDeployments.
func (e *Emulator) describeBlueGreen(caller Caller, form url.Values) (any, *apiError) {
	d := e.known()
	found, err := named(d.BlueGreen, form.Get("BlueGreenDeploymentIdentifier"), "BlueGreenDeploymentNotFoundFault", func(b BlueGreen) (string, bool) {
		return b.Identifier, e.here(caller, b.Region)
	})
	if err != nil {
		return nil, err
	}
	found, marker, err := page(found, form, d.PageSize)
	if err != nil {
		return nil, err
	}
	result := struct {
		XMLName xml.Name       `xml:"DescribeBlueGreenDeploymentsResult"`
		Items   []blueGreenXML `xml:"BlueGreenDeployments>member"`
		Marker  string         `xml:",omitempty"`
	}{Marker: marker}
	for _, b := range found {
		x := blueGreenXML{BlueGreenDeploymentIdentifier: b.Identifier, BlueGreenDeploymentName: b.Identifier, Status: or(b.Status, "SWITCHOVER_IN_PROGRESS")}
		for i, pair := range b.Pairs {
			blue, green := e.arn("rds", b.Region, b.Kind+":"+pair[0]), e.arn("rds", b.Region, b.Kind+":"+pair[1])
			if i == 0 {
				x.Source, x.Target = blue, green
			}
			x.Switchover = append(x.Switchover, switchoverXML{blue, green, x.Status})
		}
		result.Items = append(result.Items, x)
	}
	return rdsResult("DescribeBlueGreenDeployments", result), nil
}
