package kafka

import "context"

// DeleteGroup deletes a group without members, with the offsets that it
// committed.
func (c *Cluster) DeleteGroup(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, changeDeadline)
	defer cancel()
	resp, err := c.admin.DeleteGroup(ctx, id)
	if err != nil {
		return explain(err)
	}
	c.groups.forget()
	if resp.ErrMessage != "" {
		return &Error{Text: resp.ErrMessage, err: resp.Err}
	}
	return explain(resp.Err)
}
