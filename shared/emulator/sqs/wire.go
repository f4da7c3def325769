package sqs

// The members of requests and answers, as
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/ names them. A pointer is a member whose
// absence means something else than its zero.

type none struct{}

type queueInput struct{ QueueUrl string }

type createInput struct {
	QueueName  string
	Attributes map[string]string
}

type urlOutput struct{ QueueUrl string }

type urlInput struct {
	QueueName              string
	QueueOwnerAWSAccountId string
}

type listInput struct {
	QueueNamePrefix string
	MaxResults      *int
	NextToken       string
}

type listOutput struct {
	QueueUrls []string `json:",omitempty"`
	NextToken string   `json:",omitempty"`
}

type getAttributesInput struct {
	QueueUrl       string
	AttributeNames []string
}

type attributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

type setAttributesInput struct {
	QueueUrl   string
	Attributes map[string]string
}

// attribute is a message attribute; DataType is String, Number or Binary, with an optional ".custom" after it.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

// letter is what a caller gives to be sent, alone or as an entry of a batch.
type letter struct {
	MessageBody             *string
	DelaySeconds            *int
	MessageAttributes       map[string]attribute
	MessageSystemAttributes map[string]attribute
	MessageDeduplicationId  *string
	MessageGroupId          *string
}

type sendInput struct {
	QueueUrl string
	letter
}

type sendOutput struct {
	MessageId                    string
	MD5OfMessageBody             string
	MD5OfMessageAttributes       string `json:",omitempty"`
	MD5OfMessageSystemAttributes string `json:",omitempty"`
	SequenceNumber               string `json:",omitempty"`
}

type sendEntry struct {
	Id string
	letter
}

type sendBatchInput struct {
	QueueUrl string
	Entries  []sendEntry
}

type sendSuccess struct {
	Id string
	sendOutput
}

type batchOutput[Success any] struct {
	Successful []Success      `json:",omitempty"`
	Failed     []batchFailure `json:",omitempty"`
}

type batchFailure struct {
	Id          string
	SenderFault bool
	Code        string
	Message     string
}

type entrySuccess struct{ Id string }

type receiveInput struct {
	QueueUrl                    string
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
	MaxNumberOfMessages         *int
	VisibilityTimeout           *int
	WaitTimeSeconds             *int
	ReceiveRequestAttemptId     string
}

type receiveOutput struct {
	Messages []received `json:",omitempty"`
}

type received struct {
	MessageId              string
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	Attributes             map[string]string    `json:",omitempty"`
	MessageAttributes      map[string]attribute `json:",omitempty"`
	MD5OfMessageAttributes string               `json:",omitempty"`
}

type settlement struct {
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int
}

type settleInput struct {
	QueueUrl string
	settlement
}

type settleBatchInput struct {
	QueueUrl string
	Entries  []settlement
}
